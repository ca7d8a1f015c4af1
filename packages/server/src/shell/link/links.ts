/** Every connection, and which of them serves which device. */
import type { AccountId, Code, control, DeviceId } from '@securechat/wire';

/** What others may do with a connection. */
export interface LinkHandle {
  event(event: control.Event): void;
  /** Tells the code as `LoggedOut` (attached connections) and closes. */
  end(code: Code): void;
  /** Closes without a word, after what was sent. */
  finish(): void;
  /** Tells the client to come back later, and closes. */
  goAway(retryAfterMs: number): void;
  /** Called every few seconds: pings, dead connections. */
  tick(nowMs: number): void;
}

/** Who proved on a connection to hold the keys of a device. */
export interface Claimant {
  readonly account: AccountId;
  readonly device: DeviceId;
}

export interface Attachment extends Claimant {
  readonly generation: number;
}

export class Links {
  readonly #all = new Set<LinkHandle>();
  readonly #byDevice = new Map<DeviceId, LinkHandle>();
  readonly #byAccount = new Map<AccountId, Set<LinkHandle>>();
  readonly #attachments = new Map<LinkHandle, Attachment>();
  /** Connections half way into an attach, between its request and its confirmation. */
  readonly #halfway = new Map<LinkHandle, Claimant>();

  get all(): ReadonlySet<LinkHandle> {
    return this.#all;
  }

  get attachedCount(): number {
    return this.#byDevice.size;
  }

  add(link: LinkHandle): void {
    this.#all.add(link);
  }

  /** It has ended; what it was half way into comes to nothing. */
  remove(link: LinkHandle): void {
    this.#all.delete(link);
    this.#halfway.delete(link);
  }

  /** The first half of an attach. */
  begin(link: LinkHandle, claimant: Claimant): void {
    if (this.#all.has(link)) this.#halfway.set(link, claimant);
  }

  /**
   * The second half came. Whoever else is half way with the same device is closed: what a killed process left on its way
   * must not end its successor, and a client that lives comes again.
   */
  confirm(link: LinkHandle): void {
    const device = this.#halfway.get(link)?.device;
    for (const [other, claimant] of this.#halfway) if (other !== link && claimant.device === device) other.finish();
  }

  /** Ends an older connection of the device. False: this one has ended meanwhile, or a newer one is here already. */
  attach(link: LinkHandle, attachment: Attachment): boolean {
    const { account, device, generation } = attachment;
    if (!this.#halfway.delete(link)) return false;
    const before = this.#byDevice.get(device);
    if (before !== undefined) {
      if ((this.#attachments.get(before)?.generation ?? 0) > generation) return false;
      this.detach(before);
      before.end('SESSION_REPLACED');
    }
    this.#attachments.set(link, attachment);
    this.#byDevice.set(device, link);
    const links = this.#byAccount.get(account) ?? new Set();
    links.add(link);
    this.#byAccount.set(account, links);
    return true;
  }

  /** What the connection served until now; undefined when nothing, or when a newer one has taken its place. */
  detach(link: LinkHandle): Attachment | undefined {
    const attachment = this.#attachments.get(link);
    if (attachment === undefined) return undefined;
    this.#attachments.delete(link);
    this.#byDevice.delete(attachment.device);
    const links = this.#byAccount.get(attachment.account);
    links?.delete(link);
    if (links?.size === 0) this.#byAccount.delete(attachment.account);
    return attachment;
  }

  ofDevice(device: DeviceId): LinkHandle | undefined {
    return this.#byDevice.get(device);
  }

  ofAccount(account: AccountId): readonly LinkHandle[] {
    return [...(this.#byAccount.get(account) ?? [])];
  }

  /** Attached and half way: whom to close when the device or the account ends. */
  claimedBy(is: (claimant: Claimant) => boolean): readonly LinkHandle[] {
    return [...this.#attachments, ...this.#halfway].flatMap(([link, claimant]) => (is(claimant) ? [link] : []));
  }

  isAttached(account: AccountId): boolean {
    return this.#byAccount.has(account);
  }
}
