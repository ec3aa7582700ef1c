// The account page: signs in with Cognito's managed login, and shows the account API.
//
// No build step, no framework, no cookie. The ID token lives in this tab's sessionStorage until it
// expires or the tab is closed; a key's value is never in an address, a field or a storage. What is
// shown is what the API says: the page decides nothing.
// @ts-check

/** @typedef {{ amount: number, currency: string, interval: string, interval_count: number }} Price */
/** @typedef {{ id: string, price: Price | null }} Offer */
/** @typedef {{ limit: number, period: string }} Quota */
/** @typedef {{ id: string, name: string, rank: number, default: boolean, quota: Quota | null, offers: Offer[] }} Plan */
/** @typedef {{ name: string | null, support: string | null, api_url: string | null, try_path: string, header: string }} Seller */
/** @typedef {{ client_id: string | null, login: string | null, scopes: string[] }} Config */
/** @typedef {{ seller: Seller, mode: string, plans: Plan[], config: Config }} Shop */
/** @typedef {{ code: string, text: string, until: string | null, action: string | null }} Reason */
/** @typedef {{ offer: string | null, plan: string | null, at: string | null }} Next */
/** @typedef {{ offer: string | null, renews_at: string | null, ends_at: string | null, next: Next | null, managed_by: string }} Subscription */
/** @typedef {{ used: number | null, remaining: number | null, limit: number, resets_at: string | null, as_of: string | null }} Usage */
/** @typedef {{ version: number, mode: string, status: string, plan: string | null, reason: Reason, subscription: Subscription | null, purchase: { offer: string, state: string } | null, usage: Usage | null, can: { buy: boolean, change: boolean, portal: boolean } }} Account */
/** @typedef {{ slot: string, key_id: string | null, generation: number, status: string, created_at: string | null, retiring: { until: string } | null }} Key */
/** @typedef {{ version: number, at: string, from: string | null, to: string | null, status: string, reason: Reason }} Entry */
/** @typedef {{ code: string, title: string, detail: string, status: number, url?: string, request_id?: string, after?: number }} Problem */

/** @type {Shop} */
const shop = JSON.parse(meta("tollgate-shop") || "{}");
const home = `${location.origin}/`;
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const corner = /** @type {HTMLElement} */ (document.getElementById("corner"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));

/** What is kept in this tab. */
const SESSION = "tollgate.session";
const SIGN_IN = "tollgate.sign-in";
const WISH = "tollgate.wish";
const BOUGHT = "tollgate.bought";
const LEFT = "tollgate.left";

/** @param {string} name */
function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? "";
}

// ---------------------------------------------------------------- the page's parts

/**
 * An element. Text is always text: nothing that a user or Stripe has written is read as HTML.
 * @param {string} tag
 * @param {Record<string, unknown>} [given]
 * @param {(Node | string | null | undefined | false)[]} children
 * @returns {HTMLElement}
 */
function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") element.addEventListener(name, /** @type {EventListener} */ (value));
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...there(children));
  return element;
}

/** @param {(Node | string | null | undefined | false)[]} children */
const there = (children) => /** @type {(Node | string)[]} */ (children.filter((it) => it !== null && it !== undefined && it !== false));

/**
 * What has just happened, in words: read out to whoever does not see it.
 * @param {string} text
 * @param {"note" | "good" | "bad"} kind
 * @param {Node[]} more
 */
function say(text, kind = "note", ...more) {
  said.className = text ? `said ${kind}` : "said";
  said.replaceChildren(...(text ? [text, ...more.flatMap((it) => [" ", it])] : []));
}

/** @param {string | null | undefined} at */
const day = (at) => (at ? new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "long", year: "numeric" }) : "");
/** @param {string} at */
const time = (at) => new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
/** @param {number} count */
const number = (count) => count.toLocaleString();
/** @param {number} ms */
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** @param {string | null} id */
const planName = (id) => shop.plans.find((plan) => plan.id === id)?.name ?? id ?? "no plan";
/** @param {string} id */
const planOf = (id) => shop.plans.find((plan) => plan.offers.some((offer) => offer.id === id));

/** @param {Price} price */
function money({ amount, currency, interval, interval_count }) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  const period = interval_count === 1 ? interval : `${interval_count} ${interval}s`;
  return `${format.format(amount / 10 ** digits)} a ${period}`;
}

// ---------------------------------------------------------------- signing in

/** @param {Uint8Array} bytes */
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** @param {string} token @returns {Record<string, any>} */
function claims(token) {
  const part = token.split(".")[1] ?? "";
  const bytes = Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (it) => it.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** The token, while it is good. */
function session() {
  const token = sessionStorage.getItem(SESSION);
  if (!token) return null;
  try {
    if (claims(token).exp * 1000 > Date.now() + 5000) return token;
  } catch {
    // It is no token: as good as none.
  }
  sessionStorage.removeItem(SESSION);
  return null;
}

/** To the login, with what proves later that it was this tab that asked (PKCE, state, nonce). */
async function signIn() {
  const { client_id, login, scopes } = shop.config;
  if (!client_id || !login) return say("Signing in is not set up yet.", "bad");
  const begun = { state: random(), nonce: random(), verifier: random() };
  sessionStorage.setItem(SIGN_IN, JSON.stringify(begun));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier));
  const query = new URLSearchParams({
    response_type: "code", client_id, redirect_uri: home, scope: scopes.join(" "),
    state: begun.state, nonce: begun.nonce,
    code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256",
  });
  location.assign(`${login}/oauth2/authorize?${query}`);
}

/**
 * Back from the login: the code becomes a token.
 * @param {URLSearchParams} query
 */
async function comeBack(query) {
  const { client_id, login } = shop.config;
  const begun = JSON.parse(sessionStorage.getItem(SIGN_IN) ?? "null");
  sessionStorage.removeItem(SIGN_IN);
  if (!begun || !client_id || !login || query.get("state") !== begun.state || !query.get("code")) {
    return say("This sign-in was not begun here, or has ended. Please sign in again.", "bad");
  }
  const body = new URLSearchParams({
    grant_type: "authorization_code", client_id, redirect_uri: home,
    code: query.get("code") ?? "", code_verifier: begun.verifier,
  });
  try {
    const answer = await fetch(`${login}/oauth2/token`, { method: "POST", body });
    const tokens = await answer.json();
    if (!answer.ok || claims(tokens.id_token).nonce !== begun.nonce) throw new Error("refused");
    sessionStorage.setItem(SESSION, tokens.id_token);
  } catch {
    say("Signing in did not work. Please try again.", "bad");
  }
}

function signOut() {
  const { client_id, login } = shop.config;
  sessionStorage.clear();
  if (!client_id || !login) return location.assign(home);
  location.assign(`${login}/logout?${new URLSearchParams({ client_id, logout_uri: home })}`);
}

// ---------------------------------------------------------------- the account API

class Refused extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/**
 * One request; what is only busy is asked again.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
async function api(method, path, body) {
  for (let tries = 1; ; tries++) {
    const token = session();
    if (!token) throw new Refused({ code: "signed_out", title: "", detail: "Your session has ended. Please sign in again.", status: 401 });
    /** @type {Response} */
    let answer;
    try {
      answer = await fetch(path, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
      });
    } catch {
      if (tries < 4) { await pause(1000 * 2 ** tries); continue; }
      throw new Refused({ code: "offline", title: "", detail: "We cannot be reached. Is your network there?", status: 0 });
    }
    const text = await answer.text();
    let told = /** @type {any} */ ({});
    try { told = text ? JSON.parse(text) : {}; } catch { /* A page of something in between. */ }
    if (answer.ok) return told;
    if (answer.status === 401) {
      sessionStorage.removeItem(SESSION);
      throw new Refused({ code: "signed_out", title: "", detail: "Your session has ended. Please sign in again.", status: 401 });
    }
    const after = Number(answer.headers.get("retry-after")) || 2;
    const again = answer.status === 503 || (answer.status === 429 && after <= 10);
    if (again && tries < 5) { await pause(1000 * after); continue; }
    const detail = told.detail ?? (answer.status === 429 ? "Many people are here at the moment. Please try again." : "Something went wrong. Please try again.");
    throw new Refused({ code: told.code ?? "unknown", title: told.title ?? "", detail, status: answer.status, url: told.url, request_id: told.request_id, after });
  }
}

/** @param {unknown} error */
function tell(error) {
  if (!(error instanceof Refused)) {
    console.error(error);
    return say("Something went wrong here. Please load the page again.", "bad");
  }
  const { code, detail, url, request_id } = error.problem;
  const more = [];
  if (code === "signed_out") more.push(button("Sign in", signIn));
  if (url) more.push(h("a", { href: url, rel: "noreferrer" }, "Pay it now"));
  if (code === "change_by_seller" || code === "held" || code === "closed" || code === "not_configured") more.push(...support());
  const text = /[.?!]$/.test(detail) ? detail : `${detail}.`;
  say(text[0].toUpperCase() + text.slice(1), "bad", ...more);
  if (request_id && code === "unavailable") said.append(" ", h("small", {}, `(${request_id})`));
}

/** Where to ask, if the seller says. */
const support = () => (shop.seller.support ? [h("a", { href: shop.seller.support }, "Ask us")] : []);

/**
 * A button that is off while it works, and tells what went wrong.
 * @param {string} label
 * @param {() => unknown} act
 * @param {string} [kind]
 */
function button(label, act, kind = "") {
  const element = /** @type {HTMLButtonElement} */ (h("button", {
    type: "button", class: kind, click: async () => {
      element.disabled = true;
      try { await act(); } catch (error) { tell(error); } finally { element.disabled = false; }
    },
  }, label));
  return element;
}

// ---------------------------------------------------------------- the account

/** What a visit to Stripe's pages can change. @param {Account} account */
const state = ({ plan, status, reason, subscription }) => JSON.stringify([plan, status, reason, subscription]);

/** To a page of Stripe's; what the account was is compared with what it is afterwards. @param {string} url */
function leave(url) {
  if (current) sessionStorage.setItem(LEFT, state(current));
  location.assign(url);
}

/** @param {{ offer: string } | { plan: string }} wanted */
async function choose(wanted) {
  const { url, via } = await api("POST", "/account/plan", wanted);
  say(via === "checkout" ? "To the payment page…" : "To the billing page…");
  leave(url);
}

/** @param {string} [flow] */
async function portal(flow) {
  const { url } = await api("POST", "/account/portal", flow ? { flow } : {});
  leave(url);
}

/** @type {Account | null} */
let current = null;
let drawn = "";

/** What the account is, all of it, newly asked for. */
async function show() {
  const bought = sessionStorage.getItem(BOUGHT);
  const query = bought ? `?${new URLSearchParams({ checkout: bought })}` : "";
  /** @type {[Account, { items: Key[] }, { items: Entry[] }]} */
  const [account, keys, history] = await Promise.all([
    api("GET", `/account${query}`), api("GET", "/account/keys"), api("GET", "/account/history?limit=10"),
  ]);
  current = account;
  // Whoever reads, or is at a button, is not disturbed by what is as it was.
  const seen = JSON.stringify([account, keys, history]);
  if (seen === drawn) return account;
  drawn = seen;
  corner.replaceChildren(button("Sign out", signOut, "quiet"));
  main.replaceChildren(...there([
    yourPlan(account), yourKey(account, keys.items[0]), usage(account), plans(account), billing(account), past(history.items),
  ]));
  document.title = `${planName(account.plan)} – ${shop.seller.name ?? "Your account"}`;
  return account;
}

/** @param {Account} account */
function yourPlan(account) {
  const { reason, subscription, can } = account;
  const acts = [];
  if (reason.action === "update_payment" && can.portal) acts.push(button("Update your card", () => portal("payment_method_update"), "main"));
  if (reason.action === "contact_seller") acts.push(...support());
  if ((subscription?.next || subscription?.ends_at) && can.portal) acts.push(button("Take it back", () => portal()));
  const bad = ["grace", "dispute", "operator_hold", "closed_by_operator", "user_disabled"].includes(reason.code);
  return h("section", { "aria-labelledby": "plan" },
    h("h1", { id: "plan" }, account.plan ? planName(account.plan) : account.status === "new" ? "Welcome" : "No plan"),
    h("p", { class: bad ? "bad" : "", id: "why" }, reason.text),
    acts.length > 0 && h("p", { class: "acts" }, ...acts));
}

/** @param {Account} account @param {Key | undefined} key */
function yourKey(account, key) {
  const { api_url, try_path, header } = shop.seller;
  if (!key || key.status === "making") {
    const text = account.status === "waiting_for_key" ? account.reason.text : "Your key is being made. This takes seconds, or minutes when many sign up at once.";
    return h("section", { "aria-labelledby": "key" }, h("h2", { id: "key" }, "Your key"), h("p", { id: "making" }, text));
  }
  const value = h("code", { id: "value" }, "••••••••••••••••");
  const hide = () => { value.textContent = "••••••••••••••••"; reveal.textContent = "Show"; };
  const get = async () => /** @type {string} */ ((await api("GET", "/account/keys/default/value")).value);
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(await get());
    say("The key is in your clipboard.", "good");
  }, "main");
  const reveal = button("Show", async () => {
    if (reveal.textContent === "Hide") return hide();
    value.textContent = await get();
    reveal.textContent = "Hide";
  });
  addEventListener("pagehide", hide, { once: true });
  const young = key.created_at && Date.now() - Date.parse(key.created_at) < 120_000;
  const off = key.status === "disabled";
  return h("section", { "aria-labelledby": "key" },
    h("h2", { id: "key" }, "Your key"),
    h("p", { class: "key" }, value, " ", copy, " ", reveal),
    off && h("p", { class: "bad" }, "This key is off, and is refused."),
    young && !off && h("p", { class: "small" }, "A new key can be refused (403) for up to a minute."),
    key.retiring && h("p", { class: "small" }, `The key before it works until ${day(key.retiring.until)}.`),
    api_url && h("pre", { tabindex: 0, "aria-label": "A request to try it with" }, `curl -H "${header}: $KEY" ${api_url}${try_path}`));
}

/** @param {Account} account */
function usage({ usage }) {
  if (!usage) return null;
  const { used, limit, resets_at, as_of } = usage;
  const known = used !== null && as_of !== null;
  const until = resets_at ? ` until ${day(resets_at)}` : "";
  const left = known ? `${number(used)} of ${number(limit)} used; ${number(Math.max(0, limit - used))} left${until}.` : `${number(limit)}${until}. How many are used is not known yet.`;
  return h("section", { "aria-labelledby": "usage" },
    h("h2", { id: "usage" }, "Requests"),
    known && h("meter", { min: 0, max: limit, value: used, low: limit * 0.8, high: limit * 0.95, optimum: 0, "aria-labelledby": "usage" }),
    h("p", {}, `${left} `, known && h("small", {}, `As of ${time(as_of)}.`)));
}

/** @param {Account} account */
function plans(account) {
  const { can, subscription } = account;
  /** @param {Plan} plan @param {Offer} offer */
  const buy = (plan, offer) => {
    const price = offer.price ? ` – ${money(offer.price)}` : "";
    if (subscription?.offer === offer.id) return h("p", { class: "now" }, `This is what you have${price}`);
    return (can.buy || can.change) && button(`${can.change ? "Change to" : "Choose"} ${plan.name}${price}`, () => choose({ offer: offer.id }), can.buy ? "main" : "");
  };
  const cards = shop.plans.map((plan) => h("li", { class: plan.id === account.plan ? "card current" : "card" },
    h("h3", {}, plan.name, plan.id === account.plan && h("small", {}, " your plan")),
    plan.quota && h("p", {}, `${number(plan.quota.limit)} requests a ${plan.quota.period.toLowerCase()}`),
    ...plan.offers.map((offer) => buy(plan, offer)),
    plan.default && plan.offers.length === 0 && (can.change
      ? button(`Cancel, and go on with ${plan.name}`, () => choose({ plan: plan.id }), "quiet")
      : h("p", { class: "small" }, "Costs nothing"))));
  return h("section", { "aria-labelledby": "plans" }, h("h2", { id: "plans" }, "Plans"), h("ul", { class: "cards" }, ...cards));
}

/** @param {Account} account */
function billing({ can }) {
  return can.portal && h("section", { "aria-labelledby": "billing" },
    h("h2", { id: "billing" }, "Invoices and card"),
    h("p", {}, button("Open the billing page", () => portal())));
}

/** @param {Entry[]} items */
function past(items) {
  const line = (/** @type {Entry} */ { at, to, reason }) => h("li", {}, h("time", { datetime: at }, day(at)), " ", h("b", {}, planName(to)), ": ", reason.text);
  return items.length > 0 && h("section", { "aria-labelledby": "past" },
    h("h2", { id: "past" }, "What has happened"), h("ol", { class: "past" }, ...items.map(line)));
}

// ---------------------------------------------------------------- waiting

/**
 * What is under way, said from the account alone. True while it is worth looking again soon.
 * @param {Account} account
 */
function progress(account) {
  const { purchase } = account;
  const name = purchase ? planOf(purchase.offer)?.name ?? purchase.offer : "";
  if (purchase?.state === "processing") {
    sessionStorage.removeItem(BOUGHT);
    say(`Your payment for ${name} is being processed. With a bank debit this takes some days; ${name} begins when it has arrived.`);
  } else if (purchase?.state === "paid" && planOf(purchase.offer)?.id !== account.plan) {
    say(`Paid. Your key is moving to ${name}: for some seconds it can be refused.`, "good");
    return true;
  } else if (purchase?.state === "paid") {
    sessionStorage.removeItem(BOUGHT);
    say(`You have ${name} now, with the same key.`, "good");
  } else if (purchase?.state === "failed") {
    sessionStorage.removeItem(BOUGHT);
    say(`The payment for ${name} did not work. Nothing has changed; you can try again.`, "bad");
  } else if (purchase?.state === "open" || purchase?.state === "expired") {
    sessionStorage.removeItem(BOUGHT);
    say("Nothing was bought, and nothing has changed.");
  }
  return account.status === "new" || account.status === "waiting_for_key";
}

/** Shows the account, and looks again while something is under way: soon at first, then less often. */
async function watch() {
  let account = await show();
  const left = sessionStorage.getItem(LEFT);
  sessionStorage.removeItem(LEFT);
  // The webhook may not come: what was paid or changed is seen all the same.
  if (left || account.purchase?.state === "paid") await api("POST", "/account/refresh").catch(() => {});
  if (left && !sessionStorage.getItem(BOUGHT)) {
    for (let wait = 500; state(account) === left && wait < 6000; wait *= 1.6) {
      say("Looking whether anything has changed…");
      await pause(wait);
      account = await show();
    }
    const same = account.reason.code === "grace"
      ? "A new card is charged at the next attempt, or at once if you pay on the billing page."
      : "Your plan is as it was.";
    say(state(account) === left ? same : "", "note");
  }
  for (let wait = 1000; progress(account) && wait < 120_000; wait *= 1.5) {
    await pause(wait);
    if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    account = await show();
  }
}

/** What was asked for before signing in: one click leads on, so that nobody pays by surprise. */
function wish() {
  const wanted = sessionStorage.getItem(WISH);
  sessionStorage.removeItem(WISH);
  if (!wanted) return;
  const plan = planOf(wanted);
  const offer = plan?.offers.find((it) => it.id === wanted);
  if (!plan || !offer) return say("There is no such plan. Here is what there is.", "bad");
  const label = `Go on with ${plan.name}${offer.price ? ` – ${money(offer.price)}` : ""}`;
  say("", "note");
  said.className = "said note";
  said.append(button(label, () => choose({ offer: wanted }), "main"));
}

async function begin() {
  const query = new URLSearchParams(location.search);
  if (location.search) history.replaceState(null, "", location.pathname);
  if (query.has("code") || query.has("error")) await comeBack(query);
  const bought = query.get("checkout");
  if (bought && /^cs_[A-Za-z0-9_]{1,200}$/.test(bought)) sessionStorage.setItem(BOUGHT, bought);
  const offer = query.get("offer");
  if (offer) sessionStorage.setItem(WISH, offer.slice(0, 200));
  if (!session()) {
    corner.replaceChildren(button("Sign in", signIn, "quiet"));
    if (offer || query.has("start") || bought) return signIn();
    return;
  }
  try {
    const watching = watch();
    await Promise.race([watching, pause(50)]);
    wish();
    await watching;
  } catch (error) {
    tell(error);
    corner.replaceChildren(session() ? button("Sign out", signOut, "quiet") : button("Sign in", signIn, "quiet"));
  }
}

// From the browser's memory of a page, the account may be another by now.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
begin();
