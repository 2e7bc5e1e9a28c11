let module: WebAssembly.Module | undefined;
let agent: WebAssembly.Module | undefined;

/** What `load` takes: where the `.wasm` is, its bytes, or the compiled module. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;

/**
 * Gives `durable-sessions/slim` its core: the package's `client.wasm`, however the application
 * serves it. Await it once, before the first `connect`; a `WebAssembly.Module` is taken at once.
 */
export async function load(source: WasmSource): Promise<void> {
  if (isModule(source)) module = source;
  else module = await compile(source);
}

/** The same for `agent.wasm`, before the first `serve`. Who serves no agent needs none. */
export async function loadAgent(source: WasmSource): Promise<void> {
  if (isModule(source)) agent = source;
  else agent = await compile(source);
}

/** @internal */
export function compiled(): WebAssembly.Module {
  if (!module) throw new Error("durable-sessions/slim: await load(source) before the first use");
  return module;
}

/** @internal */
export function agentModule(): WebAssembly.Module | undefined {
  return agent;
}

async function compile(source: WasmSource): Promise<WebAssembly.Module> {
  if (typeof source === "string" || source instanceof URL) source = await fetch(source);
  if (source instanceof Response) source = await bytes(source);
  return WebAssembly.compile(source as BufferSource);
}

// Not compileStreaming: it refuses a server that does not know the MIME type, and the file is small.
async function bytes(response: Response): Promise<ArrayBuffer> {
  if (!response.ok) {
    throw new Error(`durable-sessions/slim: ${response.url} answered ${response.status}`);
  }
  return response.arrayBuffer();
}

// Also one of another window, which `instanceof` does not know.
function isModule(source: WasmSource): source is WebAssembly.Module {
  return Object.prototype.toString.call(source) === "[object WebAssembly.Module]";
}
