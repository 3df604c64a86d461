// Clients over WebSocket: graphql-ws for the new protocol, subscriptions-transport-ws for the old one.
import {createClient} from 'graphql-ws';
import legacy from 'subscriptions-transport-ws';
import WebSocket from 'ws';

export const socketUrl = (url) => url.replace('http', 'ws');

// A client of graphql-ws that connects again as often as it must. `renew` sends a ping with a new token.
export function graphqlWs(url, token) {
  let socket;
  const client = createClient({
    url: socketUrl(url),
    webSocketImpl: WebSocket,
    connectionParams: token ? {authorization: `Bearer ${token}`} : {},
    retryAttempts: 1_000,
    retryWait: () => new Promise((done) => setTimeout(done, 50)),
    shouldRetry: () => true,
    on: {opened: (one) => (socket = one)},
  });
  const renew = (given) =>
    socket.send(JSON.stringify({type: 'ping', payload: {authorization: `Bearer ${given}`}}));
  return {client, renew};
}

export const overWebSocket = {
  'graphql-ws'(url, token) {
    const {client, renew} = graphqlWs(url, token);
    return {
      renew,
      subscribe: (request, sink) =>
        client.subscribe(request, {
          next: sink.next,
          error: (found) => (Array.isArray(found) ? sink.errors(found) : sink.lost(found)),
          complete: sink.complete,
        }),
    };
  },

  'subscriptions-transport-ws'(url, token) {
    const client = new legacy.SubscriptionClient(
      socketUrl(url),
      {
        reconnect: true,
        minTimeout: 3_000,
        connectionParams: token ? {authorization: `Bearer ${token}`} : {},
      },
      WebSocket,
    );
    client.backoff.setMin?.(50);
    return {
      subscribe(request, sink) {
        const found = client.request(request).subscribe({
          next: sink.next,
          error: (error) => sink.errors([error]),
          complete: sink.complete,
        });
        return () => found.unsubscribe();
      },
    };
  },
};
