// Apollo Client, over HTTP (multipart), over WebSocket, with lists of requests, and with both formats of @defer.
import {
  ApolloClient,
  ApolloLink,
  CombinedGraphQLErrors,
  CombinedProtocolErrors,
  gql,
  HttpLink,
  InMemoryCache,
} from '@apollo/client';
import {Defer20220824Handler, GraphQL17Alpha9Handler} from '@apollo/client/incremental';
import {BatchHttpLink} from '@apollo/client/link/batch-http';
import {RetryLink} from '@apollo/client/link/retry';
import {GraphQLWsLink} from '@apollo/client/link/subscriptions';
import WebSocket from 'ws';
import {graphqlWs} from './sockets.mjs';

globalThis.WebSocket ??= WebSocket; // Apollo Client compares with its constants

function make(link, handler) {
  const defaults = {fetchPolicy: 'no-cache', errorPolicy: 'all'};
  const client = new ApolloClient({
    link,
    cache: new InMemoryCache(),
    incrementalHandler: handler,
    queryDeduplication: false,
    defaultOptions: {query: defaults, mutate: defaults, watchQuery: defaults},
  });
  return {subscribe: (request, sink) => ask(client, request, sink)};
}

function ask(client, {query: text, variables}, sink) {
  const document = gql(text);
  const {operation} = document.definitions.find((one) => one.kind === 'OperationDefinition');
  const options = {variables, fetchPolicy: 'no-cache', errorPolicy: 'all'};
  const tell = ({data, error}) => {
    if (!error) sink.next({data});
    else if (CombinedGraphQLErrors.is(error)) sink.next({data, errors: error.errors});
    else if (CombinedProtocolErrors.is(error)) sink.errors(error.errors); // those that end a stream
    else sink.lost(error);
  };
  if (operation === 'subscription') {
    const found = client.subscribe({query: document, ...options}).subscribe({
      next: tell,
      error: sink.lost,
      complete: sink.complete,
    });
    return () => found.unsubscribe();
  }
  if (operation === 'mutation') {
    client.mutate({mutation: document, ...options}).then(tell, sink.lost).then(sink.complete);
    return () => {};
  }
  // a watched query tells of each part of an answer
  const found = client.watchQuery({query: document, ...options, notifyOnNetworkStatusChange: true}).subscribe({
    next: (result) => {
      if (result.data || result.error) tell(result);
      if (!result.loading && result.dataState === 'complete') sink.complete();
    },
    error: sink.lost,
  });
  return () => found.unsubscribe();
}

// Sends lists of several operations only.
const list = (url, options) => {
  if (JSON.parse(options.body).length < 2) throw new Error(`expected a list, got ${options.body}`);
  return fetch(url, options);
};

const http = (url, token) =>
  new HttpLink({uri: url, headers: token ? {authorization: `Bearer ${token}`} : {}});

// Connects again when a connection is lost, but not when the gateway has ended a stream.
const again = () =>
  new RetryLink({
    delay: {initial: 50, max: 50, jitter: false},
    attempts: {max: 1_000, retryIf: (error) => !CombinedProtocolErrors.is(error)},
  });

export const apollo = {
  apollo: (url, token) => make(ApolloLink.from([again(), http(url, token)])),
  'apollo-ws'(url, token) {
    const {client, renew} = graphqlWs(url, token);
    return {...make(new GraphQLWsLink(client)), renew};
  },
  'apollo-batch': (url) => make(new BatchHttpLink({uri: url, batchInterval: 20, fetch: list})),
  'apollo-2022': (url, token) => make(http(url, token), new Defer20220824Handler()),
  'apollo-v0.2': (url, token) => make(http(url, token), new GraphQL17Alpha9Handler()),
};
