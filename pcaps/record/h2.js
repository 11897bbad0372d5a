// What HTTP/2 can do in one connection: node h2.js server PORT, node h2.js client PORT.
const http2 = require('node:http2');
const zlib = require('node:zlib');

const [role, port] = process.argv.slice(2);

const routes = {
  '/slow': (stream) => setTimeout(() => {
    stream.respond({':status': 200, 'content-type': 'text/plain'});
    stream.end('slow but sure');
  }, 300),
  '/gzip': (stream) => {
    stream.respond({':status': 200, 'content-type': 'text/plain', 'content-encoding': 'gzip'});
    stream.end(zlib.gzipSync('a needle in gzip\n'));
  },
  '/trailers': (stream) => {
    stream.respond({':status': 200, 'content-type': 'text/plain'}, {waitForTrailers: true});
    stream.on('wantTrailers', () => stream.sendTrailers({'x-checksum': 'needle-in-trailer'}));
    stream.end('with a trailer\n');
  },
  '/push': (stream) => {
    stream.pushStream({':path': '/pushed.css'}, (error, pushed) => {
      pushed.respond({':status': 200, 'content-type': 'text/css'});
      pushed.end('a { color: red }\n');
    });
    stream.additionalHeaders({':status': 103, 'link': '</pushed.css>; rel=preload'});
    stream.respond({':status': 200, 'content-type': 'text/html'});
    stream.end('<link rel=stylesheet href=/pushed.css>\n');
  },
  '/upload': (stream) => {
    stream.respond({':status': 201, 'content-type': 'text/plain'});
    stream.on('data', (bytes) => stream.write(bytes));
    stream.on('end', () => stream.end());
  },
  '/endless': (stream) => {
    stream.respond({':status': 200, 'content-type': 'text/plain'});
    stream.write('and so on ');
  },
  '/goaway': (stream) => {
    const {session, id} = stream;
    stream.respond({':status': 200, 'content-type': 'text/plain'});
    stream.end('bye\n');
    setTimeout(() => session.goaway(0, id, Buffer.from('maintenance')), 50);
  },
};

if (role === 'server') {
  const server = http2.createServer();
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    (routes[headers[':path']] || (() => {
      stream.respond({':status': 404, 'content-type': 'text/plain'});
      stream.end('not found');
    }))(stream);
  });
  server.listen(Number(port), '127.0.0.1');
} else {
  const client = http2.connect(`http://127.0.0.1:${port}`);
  client.on('stream', (pushed) => pushed.resume());
  const ask = (path, headers = {}) => {
    const stream = client.request({':path': path, 'accept-language': 'fr', ...headers});
    stream.on('error', () => {});
    return stream.resume();
  };
  const done = (stream) => new Promise((then) => stream.on('close', then));
  (async () => {
    const slow = done(ask('/slow'));
    await Promise.all(['/gzip', '/trailers', '/none'].map((path) => done(ask(path))));
    const upload = ask('/upload', {':method': 'POST', 'content-type': 'text/plain'});
    upload.write('first half, ');
    setTimeout(() => upload.end('second half\n'), 50);
    await Promise.all([done(upload), slow]);
    await done(ask('/push'));
    const endless = ask('/endless');
    endless.on('data', () => endless.close(http2.constants.NGHTTP2_CANCEL));
    await done(endless);
    await done(ask('/goaway'));
    setTimeout(() => process.exit(), 200);
  })();
}
