/** The best of five tries counts; a fault of `work` is a fault of the first one. */
export declare function atOnce(ms: number, work: () => unknown): Promise<void>;
