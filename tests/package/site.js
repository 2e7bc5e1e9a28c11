// A folder on a web server that is strict: it knows its MIME types and has a Content-Security-Policy.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { extname, join, normalize } from "node:path";

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };

// Nothing but the package's one need beside its own files, as its README says.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:";

/** Serves it on a free port, and gives its address and what closes it. */
export async function serve(root) {
  const server = createServer((request, response) => {
    const path = join(root, normalize(new URL(request.url, "http://site").pathname));
    const type = types[extname(path)];
    if (!type || !existsSync(path)) return response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Type": type,
      "Content-Security-Policy": policy,
      "X-Content-Type-Options": "nosniff",
    });
    createReadStream(path).pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
