const units = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** 1234567 → `1.2 MB` (powers of 1,000, as file managers of most systems count). */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? 'B'}`;
}
