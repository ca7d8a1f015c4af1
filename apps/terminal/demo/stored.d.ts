/** Every table with its rows and the bytes in them. */
export declare function tablesOf(data: string): readonly {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
}[];
/** The files of the folder, and the first bytes of the newest message body in hexadecimal. */
export declare function filesOf(data: string): {
  readonly files: readonly {
    readonly name: string;
    readonly bytes: number;
  }[];
  readonly excerpt: readonly string[];
};
/** How often each text occurs in any file, in any form that a careless program might have written. */
export declare function findWords(
  data: string,
  words: readonly string[],
): readonly {
  readonly word: string;
  readonly hits: number;
}[];
