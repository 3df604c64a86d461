// The journeys of the frontend guide with the TypeScript types that graphql-codegen has generated (./mussikon.ts).
// Usage: node journey.js URL. It prints a line per step, and throws where the platform answers otherwise than the
// guide says.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import * as api from "./mussikon.js";

const url = process.argv[2] ?? "";

async function send<Result, Variables>(
  document: TypedDocumentNode<Result, Variables>,
  variables: Variables,
  token?: string,
): Promise<Result> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const body = (await response.json()) as { data?: Result; errors?: { message: string }[] };
  assert.equal(body.errors, undefined, JSON.stringify(body.errors));
  assert.ok(body.data);
  return body.data;
}

async function logIn(login: string): Promise<string> {
  const input: api.LogInInput = { login, password: "mussikon-demo", device: "the tests" };
  const { logIn } = await send(api.LogInDocument, { input });
  assert.ok(logIn?.session, JSON.stringify(logIn));
  return logIn.session.token;
}

const step = (text: string): void => console.log(text);
const eur = (amount: string): api.MoneyInput => ({ amount, currency: "EUR" });

const client = await logIn("demo_client");
const musician = await logIn("demo_musician");
const gigs = await send(api.MyGigsDocument, {}, musician);
assert.ok(gigs.me?.musicianProfile?.stageName);
step("logged in as a client and as a musician");

const directory = await send(api.MusicianDirectoryDocument, { first: 3 });
const next = await send(api.MusicianDirectoryDocument, {
  first: 3,
  after: directory.musicians?.pageInfo.endCursor,
});
const seen = [directory, next].flatMap((page) => page.musicians?.edges.map((edge) => edge.node.id) ?? []);
assert.equal(new Set(seen).size, 6);
step("read two pages of the directory");

const day = new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10);
const title = `A concert ${randomUUID().slice(0, 8)}`;
const input: api.PublishRequestInput = {
  title,
  eventDate: day,
  startTime: "20:00",
  endTime: "01:00",
  timeZone: "Europe/Berlin",
  budgetMin: eur("300"),
  budgetMax: eur("500"),
  location: { latitude: 52.52, longitude: 13.405, city: "Berlin", country: "DE" },
};
const wrong = await send(
  api.PublishRequestDocument,
  { input: { ...input, title: "", eventDate: "2020-01-01", budgetMin: eur("-1") } },
  client,
);
const fields = wrong.publishRequest?.userErrors.map((error) => error.field);
assert.deepEqual(fields, ["title", "eventDate", "budgetMin"]);
const key = randomUUID();
const { publishRequest } = await send(api.PublishRequestDocument, { input, key }, client);
const request = publishRequest?.request;
assert.ok(request);
assert.equal((await send(api.PublishRequestDocument, { input, key }, client)).publishRequest?.request?.id, request.id);
step("published a request, after all wrong fields were named at once");

const logged = await send(api.LogInDocument, { input: { login: "demo_musician", password: "mussikon-demo" } });
const profile = logged.logIn?.session?.user.musicianProfile?.id;
assert.ok(profile);
const high = { requestId: request.id, musicianId: profile, price: eur("900"), acceptOutsideBudget: false };
const refused = await send(api.AssignMusicianDocument, { ...high, key: randomUUID() }, client);
assert.equal(refused.assignMusician?.userErrors[0]?.code, "CONFLICT");
const foreign = { ...high, price: { amount: "400", currency: "USD" } };
const dollars = await send(api.AssignMusicianDocument, { ...foreign, key: randomUUID() }, client);
assert.equal(dollars.assignMusician?.userErrors[0]?.code, "BAD_USER_INPUT");
const offer = { ...high, price: eur("400"), key: randomUUID() };
const { assignMusician } = await send(api.AssignMusicianDocument, offer, client);
const booking = assignMusician?.saga?.booking;
assert.ok(booking, JSON.stringify(assignMusician));
assert.equal(assignMusician?.saga?.status, "COMPLETED");
assert.deepEqual([booking.status, booking.price?.amount], ["PENDING", "400.00"]);
const { saga } = await send(api.SagaDocument, { id: assignMusician.saga?.id ?? "" }, client);
assert.equal(saga?.steps?.length, 5);
step("asked a musician directly, at a price inside the budget and in its currency");

const confirmed = await send(api.ConfirmOfferDocument, { bookingId: booking.id, key: randomUUID() }, musician);
assert.equal(confirmed.confirmOffer?.saga?.booking?.status, "CONFIRMED");
const reason = "The singer is ill.";
const over = await send(
  api.CancelAndRefundDocument,
  { bookingId: booking.id, reason, key: randomUUID() },
  musician,
);
assert.equal(over.cancelAndRefund?.saga?.booking?.status, "CANCELLED");
const desk = await send(api.MyDeskDocument, {}, client);
assert.ok(desk.me?.requests?.edges.some((edge) => edge.node.title === title && edge.node.status === "OPEN"));
step("the musician confirmed and cancelled: the request is open again");

const gone = await send(api.CancelRequestDocument, { requestId: request.id, reason, key: randomUUID() }, client);
assert.equal(gone.cancelRequest?.saga?.request?.status, "CANCELLED");
const { nodes } = await send(api.NodesDocument, { ids: [request.id, profile] });
assert.deepEqual(
  nodes?.map((node) => node?.__typename),
  ["MusicianRequest", "Musician"],
);
const { endSession } = await send(api.EndSessionDocument, { id: profile }, client);
assert.deepEqual([endSession?.userErrors[0]?.code, endSession?.userErrors[0]?.field], ["BAD_USER_INPUT", "id"]);
step("cancelled the request, read objects by global ids; an id of another type is refused");
