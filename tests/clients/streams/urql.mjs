// urql, whose subscriptions go over fetch (SSE or multipart) or over graphql-ws.
import {Client, fetchExchange, subscriptionExchange} from '@urql/core';
import {graphqlWs} from './sockets.mjs';

function subscriber(client) {
  return {
    subscribe(request, sink) {
      let stop;
      let any = false;
      const operation = request.query.trimStart().match(/^(subscription|mutation)?/)[0] || 'query';
      const begin = () => {
        const source = client[operation](request.query, request.variables ?? {}, {
          requestPolicy: 'network-only',
        });
        stop = source.subscribe(({data, error, hasNext}) => {
          if (error?.networkError) {
            stop?.unsubscribe();
            setTimeout(begin, 50); // an application's retry
            return;
          }
          // the end of a subscription repeats its last result
          if (hasNext || operation !== 'subscription' || !any) {
            sink.next({data, errors: error?.graphQLErrors});
          }
          any = true;
          if (!hasNext) sink.complete();
        });
      };
      begin();
      return () => stop.unsubscribe();
    },
  };
}

export const urql = {
  urql: (url, token) =>
    subscriber(
      new Client({
        url,
        preferGetMethod: false,
        fetchSubscriptions: true,
        fetchOptions: token ? {headers: {authorization: `Bearer ${token}`}} : undefined,
        exchanges: [fetchExchange],
      }),
    ),
  'urql-ws'(url, token) {
    const {client, renew} = graphqlWs(url, token);
    const forwardSubscription = (request) => ({
      subscribe: (sink) => ({unsubscribe: client.subscribe(request, sink)}),
    });
    const exchange = subscriptionExchange({forwardSubscription, enableAllOperations: true});
    return {...subscriber(new Client({url, preferGetMethod: false, exchanges: [exchange]})), renew};
  },
};
