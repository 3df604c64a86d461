// Other people's clients behind one conversation: commands as JSON lines in, what happens as JSON lines out.
//
// in:  {"do": "subscribe", "number": 1, "client": "graphql-ws", "connection": "a", "url": "http://...",
//       "token": null, "request": {"query": "...", "variables": {}}}
//      {"do": "stop", "number": 1}    {"do": "renew", "connection": "a", "client": ..., "token": "..."}
//      {"do": "close", "connection": "a", "client": ...}
// out: {"number": 1, "kind": "next" | "errors" | "complete" | "lost", "value": ...}
import {createInterface} from 'node:readline';
import {apollo} from './apollo.mjs';
import {overHttp} from './http.mjs';
import {overWebSocket} from './sockets.mjs';
import {urql} from './urql.mjs';

const makers = {...overWebSocket, ...overHttp, ...apollo, ...urql};
const connections = new Map();
const running = new Map();

const write = (value) => process.stdout.write(JSON.stringify(value) + '\n');

function connection({client, connection, url, token}) {
  const key = `${client} ${connection}`;
  if (!connections.has(key)) connections.set(key, makers[client](url, token));
  return connections.get(key);
}

const commands = {
  subscribe(command) {
    const {number, request} = command;
    let ended = false;
    const tell = (kind, value = null) => {
      if (!ended) write({number, kind, value});
      ended ||= kind === 'complete' || kind === 'lost';
    };
    const sink = {
      // one result: its data, or the codes of its errors
      next: ({data = null, errors}) =>
        errors?.length ? tell('errors', {data: asked(data), codes: errors.map(codeOf)}) : tell('next', asked(data)),
      errors: (errors) => tell('errors', {data: null, codes: errors.map(codeOf)}),
      complete: () => tell('complete'),
      lost: (error) => tell('lost', String(error?.message ?? error)),
    };
    running.set(number, connection(command).subscribe(request, sink));
  },
  stop({number}) {
    running.get(number)();
  },
  renew(command) {
    connection(command).renew(command.token);
  },
  close(command) {
    connection(command).close?.();
  },
};

// The data without what Apollo Client asks for besides.
const asked = (data) => JSON.parse(JSON.stringify(data, (key, value) => (key === '__typename' ? undefined : value)));
const codeOf = (error) => error.extensions?.code ?? error.message;

process.on('unhandledRejection', (error) => write({number: 0, kind: 'unhandled', value: String(error?.stack)}));
for await (const line of createInterface({input: process.stdin})) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit(0);
