/**
 * A name that another chose for a file, made safe to be created in a folder here: one path component, visible, nothing
 * that reorders or hides text, nothing a system treats as a device, at most `fileNameBytesMax` bytes of UTF-8.
 */
import { defaultLimits } from '@securechat/wire';

/** Where nothing of the name is left. */
const NAMELESS = 'file';

/** Controls, format characters (bidi overrides, zero width), surrogates, private use, line separators. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
/** Path separators, and what Windows and shells do not take in a name. */
const FORBIDDEN = /[/\\:*?"<>|]/gu;
/** Windows opens these as devices, whatever the extension. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])$/i;

/** Idempotent. */
export function safeFileName(name: string): string {
  // The last component, as any system would read the path.
  const base = name.replace(/^.*[/\\]/su, '');
  const visible = base.normalize('NFC').replace(INVISIBLE, '').replace(FORBIDDEN, '_').replace(/\s/gu, ' ');
  const trimmed = cut(trim(visible));
  if (trimmed === '') return NAMELESS;
  const stem = trimmed.split('.')[0]?.trimEnd() ?? '';
  return DEVICE.test(stem) ? cut(`_${trimmed}`) : trimmed;
}

/** No leading dots or blanks (hidden files), no trailing ones (Windows drops them). */
function trim(name: string): string {
  return name.replace(/^[.\s]+|[.\s]+$/gu, '');
}

/** To the limit, whole characters, the extension kept where it is short. */
function cut(name: string): string {
  const bytesMax = defaultLimits.fileNameBytesMax;
  if (bytesOf(name) <= bytesMax) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && bytesOf(name.slice(dot)) <= 16 ? name.slice(dot) : '';
  let stem = '';
  let left = bytesMax - bytesOf(extension);
  for (const character of extension === '' ? name : name.slice(0, dot)) {
    left -= bytesOf(character);
    if (left < 0) break;
    stem += character;
  }
  return trim(`${trim(stem)}${extension}`);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
