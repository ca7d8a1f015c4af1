/**
 * What is written to the local store: `version u8 | fields`. The store authenticates and encrypts values; a codec only
 * has to notice what a newer version wrote (SCHEMA_NEWER) and what cannot be (PROFILE_DAMAGED).
 */
import { ByteReader, ByteWriter, idBytes, idOf, SecureChatError } from '@securechat/wire';
import type { BinaryId } from '@securechat/wire';

export interface RecordCodec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

export function recordCodec<T>(
  version: number,
  write: (writer: ByteWriter, value: T) => void,
  /** `written`: the version that wrote it, at most the present one. */
  read: (reader: ByteReader, written: number) => T,
): RecordCodec<T> {
  return {
    encode(value) {
      const writer = new ByteWriter(512).u8(version);
      write(writer, value);
      return writer.done();
    },
    decode(bytes) {
      try {
        const reader = new ByteReader(bytes);
        const written = reader.u8();
        if (written > version) throw new SecureChatError('SCHEMA_NEWER');
        const value = read(reader, written);
        reader.end();
        return value;
      } catch (cause) {
        if (cause instanceof SecureChatError && cause.code === 'SCHEMA_NEWER') throw cause;
        throw new SecureChatError('PROFILE_DAMAGED', {}, { cause });
      }
    },
  };
}

export function writeFlags(writer: ByteWriter, ...flags: readonly boolean[]): void {
  writer.u8(flags.reduce((bits, flag, at) => bits | (flag ? 1 << at : 0), 0));
}

export function readFlags(reader: ByteReader): readonly boolean[] {
  const bits = reader.u8();
  return Array.from({ length: 8 }, (_, at) => (bits & (1 << at)) !== 0);
}

export function writeId(writer: ByteWriter, id: BinaryId): void {
  writer.raw(idBytes(id));
}

export function readId<T extends BinaryId>(reader: ByteReader): T {
  return idOf<T>(reader.raw(16));
}

export function writeIds(writer: ByteWriter, ids: readonly BinaryId[]): void {
  writer.u32(ids.length);
  for (const id of ids) writeId(writer, id);
}

export function readIds<T extends BinaryId>(reader: ByteReader): readonly T[] {
  return readMany(reader, () => readId<T>(reader));
}

export function writeTexts(writer: ByteWriter, texts: readonly string[]): void {
  writer.u32(texts.length);
  for (const text of texts) writer.text16(text);
}

export function readTexts(reader: ByteReader): readonly string[] {
  return readMany(reader, () => reader.text16());
}

/** A text of any length: `text16` ends at 65,535 bytes. */
export function writeLongText(writer: ByteWriter, text: string): void {
  writer.vec32(new TextEncoder().encode(text));
}

export function readLongText(reader: ByteReader): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(reader.vec32());
}

export function readMany<T>(reader: ByteReader, one: () => T): readonly T[] {
  const count = reader.u32();
  if (count > reader.left) throw new SecureChatError('MALFORMED');
  return Array.from({ length: count }, one);
}

/** An optional part: one flag, then the part. */
export function writeOptional<T>(writer: ByteWriter, value: T | undefined, write: (value: T) => void): void {
  writer.u8(value === undefined ? 0 : 1);
  if (value !== undefined) write(value);
}

export function readOptional<T>(reader: ByteReader, read: () => T): T | undefined {
  return reader.u8() === 0 ? undefined : read();
}

/** One of a fixed list, by its place in it. New members are added at the end. */
export function writeOne<T extends string>(writer: ByteWriter, list: readonly T[], value: T): void {
  writer.u8(list.indexOf(value));
}

export function readOne<T extends string>(reader: ByteReader, list: readonly T[]): T {
  const value = list[reader.u8()];
  if (value === undefined) throw new SecureChatError('MALFORMED');
  return value;
}
