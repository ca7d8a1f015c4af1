import encodeQR from 'qr';

/** A QR code in half blocks, two modules a character; the one door to `qr`. */
export function qrCode(text: string): string {
  return encodeQR(text, 'ascii', { ecc: 'low', border: 2 }).trimEnd();
}
