// Clients over HTTP: graphql-sse, EventSource as browsers have it, and meros for multipart.
import {EventSource} from 'eventsource';
import {createClient} from 'graphql-sse';
import {meros} from 'meros/browser'; // that for `fetch`

const auth = (token) => (token ? {authorization: `Bearer ${token}`} : {});

const graphqlSse = (singleConnection) => (url, token) => {
  const client = createClient({
    url,
    singleConnection,
    headers: () => auth(token),
    retryAttempts: 1_000,
    retry: () => new Promise((done) => setTimeout(done, 50)),
  });
  return {
    subscribe: (request, sink) =>
      client.subscribe(request, {next: sink.next, error: sink.lost, complete: sink.complete}),
  };
};

export const overHttp = {
  'graphql-sse': graphqlSse(false),
  'graphql-sse-single': graphqlSse(true), // one stream for all operations

  // It connects again by itself, and then sends the id of the last event.
  eventsource(url) {
    return {
      subscribe({query, variables = {}, extensions = {}}, sink) {
        const asked = new URLSearchParams({query});
        for (const [name, value] of Object.entries({variables, extensions})) asked.set(name, JSON.stringify(value));
        const source = new EventSource(`${url}?${asked}`);
        source.addEventListener('next', (event) => sink.next(JSON.parse(event.data)));
        source.addEventListener('complete', () => {
          source.close();
          sink.complete();
        });
        return () => source.close();
      },
    };
  },

  // It reads parts; an application connects again itself.
  meros(url, token) {
    return {
      subscribe(request, sink) {
        const stop = new AbortController();
        readParts(url, token, request, sink, stop).catch((error) => stop.signal.aborted || sink.lost(error));
        return () => stop.abort();
      },
    };
  },
};

async function readParts(url, token, request, sink, stop) {
  const headers = {
    accept: 'multipart/mixed;subscriptionSpec=1.0',
    'content-type': 'application/json',
    ...auth(token),
  };
  for (;;) {
    try {
      const body = JSON.stringify(request);
      const response = await fetch(url, {method: 'POST', headers, body, signal: stop.signal});
      const parts = await meros(response);
      if (parts === response) {
        sink.next(await response.json());
        return sink.complete();
      }
      for await (const part of parts) {
        if (part.body.payload) sink.next(part.body.payload);
        if (part.body.errors) sink.errors(part.body.errors);
      }
      return sink.complete();
    } catch (error) {
      if (stop.signal.aborted) return;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}
