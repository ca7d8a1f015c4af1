/**
 * One line of JSON. Beside what JSON escapes, every character is escaped that some reader takes for a line end (NEL, the
 * Unicode separators) and the C1 controls, which drive a terminal that the line is shown on.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
