// The node server of the measurement: node server.js ADDRESS PORT LOG. The kinds of targets are those of server.py.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const zlib = require('zlib');

const [address, port, logPath] = process.argv.slice(2);
const log = fs.openSync(logPath, 'a');
const ID = /\/([0-9a-f]{16})(?![0-9a-f])/;
const STATUS = {empty: 204, notmodified: 304, moved: 301, missing: 404, failed: 503};

const sleep = milliseconds => new Promise(done => setTimeout(done, milliseconds));

function digest(body) {
  return [body.length, crypto.createHash('sha256').update(body).digest('hex')];
}

function text(id, size) {
  let body = '';
  while (body.length < size) body += `${body.length} ${id} node ${crypto.randomBytes(20).toString('hex')}\n`;
  return Buffer.from(body.slice(0, size));
}

async function handle(request, response) {
  const url = new URL(request.url, 'http://node');
  const kind = url.pathname.split('/')[1];
  const id = (ID.exec(request.url) || [])[1] || '0'.repeat(16);
  const size = Number(url.searchParams.get('n') || 3000);
  const pause = Number(url.searchParams.get('pause') || 200);
  const pieces = Number(url.searchParams.get('pieces') || 4);
  const record = {
    side: 'server', who: 'node', port: Number(port), id, method: request.method, target: request.url,
    status: null, request: null, response: null, peer: request.socket.remoteAddress, broken: false, error: null,
  };
  const done = new Promise(resolve => {
    response.on('close', () => {
      if (!response.writableFinished) {
        record.broken = true;
        record.error = 'closed before the response was over';
      }
      resolve();
    });
  });
  try {
    const parts = [];
    for await (const part of request) parts.push(part);
    record.request = digest(Buffer.concat(parts));

    response.setHeader('X-Id', id);
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Timing-Allow-Origin', '*');
    let status = STATUS[kind] || 200;
    let body = text(id, size);
    let coding = null;
    const known = ['plain', 'chunked', 'close', 'gzip', 'deflate', 'br', 'slow', 'sse', 'poll', 'upload', 'hints'];
    if (STATUS[kind] || !known.includes(kind)) {
      status = STATUS[kind] || 404;
      body = status === 204 || status === 304 ? Buffer.alloc(0) : Buffer.from(`${status} ${id}\n`);
    }
    if (kind === 'upload') body = Buffer.from(JSON.stringify({id, ok: true}));
    if (kind === 'gzip' || kind === 'deflate' || kind === 'br') coding = kind;
    if (coding === 'br' && !/\bbr\b/.test(request.headers['accept-encoding'] || '')) coding = 'gzip';
    if (kind === 'sse') {
      body = Buffer.concat(Array.from({length: pieces}, (_, n) => Buffer.from(`data: word${n} ${id}\n\n`.padEnd(64, '\n'))));
    }
    const coded = coding === 'gzip' ? zlib.gzipSync(body)
      : coding === 'deflate' ? zlib.deflateSync(body)
      : coding === 'br' ? zlib.brotliCompressSync(body) : body;

    if (kind === 'hints' && response.writeEarlyHints) await new Promise(sent => response.writeEarlyHints({link: '</style.css>; rel=preload'}, sent));
    if (kind === 'poll') await sleep(pause);
    response.statusCode = status;
    response.setHeader('Content-Type', kind === 'sse' ? 'text/event-stream' : 'text/plain; charset=utf-8');
    if (coding) response.setHeader('Content-Encoding', coding);
    const streams = ['chunked', 'slow', 'sse'].includes(kind);
    if (kind === 'close') {
      // Neither a length nor chunks: the end of the connection is the end of the body.
      response.useChunkedEncodingByDefault = false;
      response.shouldKeepAlive = false;
      response.removeHeader('Content-Length');
      response.setHeader('Connection', 'close');
      response.write(coded);
    } else if (streams && request.method !== 'HEAD') {
      const step = Math.max(1, Math.ceil(coded.length / pieces));
      for (let at = 0; at < coded.length; at += step) {
        if (at > 0 && kind !== 'chunked') await sleep(pause);
        response.write(coded.subarray(at, at + step));
      }
      if (kind === 'chunked' && size % 2) response.addTrailers({'X-Trailer': 'yes'});
    } else if (status !== 204 && status !== 304) {
      response.setHeader('Content-Length', coded.length);
      response.write(coded);
    }
    response.end();
    record.status = status;
    record.response = digest(request.method === 'HEAD' ? Buffer.alloc(0) : body);
  } catch (error) {
    record.broken = true;
    record.error = String(error);
    response.destroy();
  }
  await done;
  fs.writeSync(log, JSON.stringify(record) + '\n');
}

const server = http.createServer(handle);
server.keepAliveTimeout = 30000;
server.listen({port: Number(port), host: address, backlog: 512}, () => console.log('ready'));
