/**
 * The outermost structure (RFC 9420 §6).
 *
 *     MLSMessage := version u16 | wire format u16 | 1 PublicMessage | 2 PrivateMessage | 3 Welcome | 4 GroupInfo
 *                   | 5 KeyPackage
 */
import { passing } from '../codec/passing.ts';
import type { Reader } from '../codec/reader.ts';
import { decode } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { vectorBytes } from '../codec/writer.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import { MlsError, demand } from '../errors.ts';
import type { GroupInfo } from '../group/group-info.ts';
import { readGroupInfo, writeGroupInfo } from '../group/group-info.ts';
import type { KeyPackage } from '../group/key-package.ts';
import { readKeyPackage, writeKeyPackage } from '../group/key-package.ts';
import type { Welcome } from '../group/welcome-structure.ts';
import { readWelcome, writeWelcome } from '../group/welcome-structure.ts';
import type { PrivateMessage } from './private-message.ts';
import { headBytes } from './sender-data.ts';
import { readPrivateMessage, writePrivateMessage } from './private-message.ts';
import type { PublicMessage } from './public-message.ts';
import { readPublicMessage, writePublicMessage } from './public-message.ts';

export type MlsMessage =
  | { readonly kind: 'public-message'; readonly publicMessage: PublicMessage }
  | { readonly kind: 'private-message'; readonly privateMessage: PrivateMessage }
  | { readonly kind: 'welcome'; readonly welcome: Welcome }
  | { readonly kind: 'group-info'; readonly groupInfo: GroupInfo }
  | { readonly kind: 'key-package'; readonly keyPackage: KeyPackage };

export type MessageKind = MlsMessage['kind'];

const wireFormats: Readonly<Record<MessageKind, number>> = {
  'public-message': 1,
  'private-message': 2,
  welcome: 3,
  'group-info': 4,
  'key-package': 5,
};

export function encodeMessage(message: MlsMessage): Uint8Array {
  return passing(
    sizeOf(message),
    (writer) => writeMessage(writer, message),
    (bytes) => bytes.slice(),
  );
}

function writeMessage(writer: Writer, message: MlsMessage): void {
  writer.u16(PROTOCOL_VERSION).u16(wireFormats[message.kind]);
  switch (message.kind) {
    case 'public-message':
      writePublicMessage(writer, message.publicMessage);
      break;
    case 'private-message':
      writePrivateMessage(writer, message.privateMessage);
      break;
    case 'welcome':
      writeWelcome(writer, message.welcome);
      break;
    case 'group-info':
      writeGroupInfo(writer, message.groupInfo);
      break;
    case 'key-package':
      writeKeyPackage(writer, message.keyPackage);
      break;
  }
}

/** Near enough: of the frequent ones exactly. */
function sizeOf(message: MlsMessage): number {
  if (message.kind !== 'private-message') return 1024;
  const { privateMessage: body } = message;
  const vectors =
    vectorBytes(body.authenticatedData) + vectorBytes(body.sealedSenderData) + vectorBytes(body.ciphertext);
  return 4 + headBytes(body) + vectors;
}

/** Of a copy of the input: what is checked cannot change afterwards. `malformed`, `unsupported`, `limit`. */
export function decodeMessage(bytes: Uint8Array): MlsMessage {
  return decode(bytes.slice(), readMessage);
}

function readMessage(reader: Reader): MlsMessage {
  if (reader.u16() !== PROTOCOL_VERSION) throw new MlsError('unsupported', 'protocol version');
  const format = reader.u16();
  switch (format) {
    case 1:
      return { kind: 'public-message', publicMessage: readPublicMessage(reader) };
    case 2:
      return { kind: 'private-message', privateMessage: readPrivateMessage(reader) };
    case 3:
      return { kind: 'welcome', welcome: readWelcome(reader) };
    case 4:
      return { kind: 'group-info', groupInfo: readGroupInfo(reader) };
    case 5: {
      const keyPackage = readKeyPackage(reader);
      demand(keyPackage.version === PROTOCOL_VERSION, 'malformed', 'version of a key package, §10');
      return { kind: 'key-package', keyPackage };
    }
    default:
      throw new MlsError('unsupported', `wire format ${format}`);
  }
}
