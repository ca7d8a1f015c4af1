/** What an invite is passed on as: `securechat:ADDRESS#sha256:FINGERPRINT?invite=CODE`. */
export interface InviteLink {
  /** For `parseServerAddress`, which judges it. */
  readonly server: string;
  readonly invite: string | undefined;
}

/** undefined for what is no such link. */
export function parseInviteLink(text: string): InviteLink | undefined {
  const match = /^securechat:([^?\s]+)(?:\?([^\s]*))?$/i.exec(text.trim());
  if (match === null) return undefined;
  return { server: match[1] ?? '', invite: new URLSearchParams(match[2] ?? '').get('invite') ?? undefined };
}
