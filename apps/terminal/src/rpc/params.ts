/** What the params of a method must look like: one schema table, one reader of it. */

export type ParamKind = 'text' | 'user' | 'target' | 'count' | 'flag' | 'true';

export interface ParamRow {
  readonly kind: ParamKind;
  readonly optional?: true;
}
export type ParamSchema = { readonly [name: string]: ParamRow };

interface KindTypes {
  /** A string that is not empty. */
  readonly text: string;
  /** A user name, with or without the `@`; read without it. */
  readonly user: string;
  /** `@user`; a `#group` is recognised, so that the answer can be NOT_SUPPORTED. */
  readonly target: string;
  /** A whole number from 1 to 10,000. */
  readonly count: number;
  readonly flag: boolean;
  /** The literal `true`: says that the caller means it. */
  readonly true: true;
}

export type ParamsOf<S extends ParamSchema> = {
  readonly [N in keyof S as S[N] extends { readonly optional: true } ? never : N]: KindTypes[S[N]['kind']];
} & {
  readonly [N in keyof S as S[N] extends { readonly optional: true } ? N : never]?: KindTypes[S[N]['kind']];
};

const COUNT_MAX = 10_000;

/** The params, or one sentence on what is wrong with them. Unknown names are refused: a misspelt option must not be lost. */
export function readParams<S extends ParamSchema>(
  schema: S,
  given: unknown,
): { readonly params: ParamsOf<S> } | { readonly wrong: string } {
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given))) {
    return { wrong: 'The params are an object with names.' };
  }
  const source = new Map<string, unknown>(Object.entries(given ?? {}));
  const params: Record<string, unknown> = {};
  for (const [name, { kind, optional }] of Object.entries(schema)) {
    const value = source.get(name);
    source.delete(name);
    if (value === undefined || (value === null && optional === true)) {
      if (optional === true) continue;
      return { wrong: `The param "${name}" is missing: ${described[kind]}.` };
    }
    const read = readers[kind](value);
    if (read === undefined) return { wrong: `The param "${name}" is not valid: ${described[kind]}.` };
    params[name] = read;
  }
  for (const name of source.keys()) return { wrong: `There is no param ${JSON.stringify(name.slice(0, 40))}.` };
  return { params: params as ParamsOf<S> };
}

/** A lone surrogate has no UTF-8: it would arrive as another character. */
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.isWellFormed() ? value : undefined;

const readers: { readonly [K in ParamKind]: (value: unknown) => KindTypes[K] | undefined } = {
  text,
  user: (value) => text(value)?.replace(/^@(?=.)/, ''),
  target: (value) => (/^[@#]\S+$/.test(text(value) ?? '') ? (value as string) : undefined),
  count: (value) =>
    Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= COUNT_MAX
      ? (value as number)
      : undefined,
  flag: (value) => (typeof value === 'boolean' ? value : undefined),
  true: (value) => (value === true ? true : undefined),
};

const described: { readonly [K in ParamKind]: string } = {
  text: 'a string that is not empty, of whole characters',
  user: 'a user name',
  target: '"@user"',
  count: `a whole number from 1 to ${COUNT_MAX}`,
  flag: 'true or false',
  true: 'true',
};
