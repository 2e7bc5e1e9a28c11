let module: WebAssembly.Module | undefined;

/** What `load` takes: where the `.wasm` is, its bytes, or the compiled module. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;

/**
 * Gives `durable-sessions/slim` its core: the package's `client.wasm`, however the application
 * serves it. Await it once, before the first `connect`; a `WebAssembly.Module` is taken at once.
 */
export async function load(source: WasmSource): Promise<void> {
  if (typeof source === "string" || source instanceof URL) source = await fetch(source);
  if (source instanceof Response) source = await bytes(source);
  module = isBytes(source) ? await WebAssembly.compile(source) : source;
}

/** @internal */
export function compiled(): WebAssembly.Module {
  if (!module) throw new Error("durable-sessions/slim: await load(source) before the first use");
  return module;
}

// Not compileStreaming: it refuses a server that does not know the MIME type, and the file is small.
async function bytes(response: Response): Promise<ArrayBuffer> {
  if (!response.ok) {
    throw new Error(`durable-sessions/slim: ${response.url} answered ${response.status}`);
  }
  return response.arrayBuffer();
}

function isBytes(source: BufferSource | WebAssembly.Module): source is BufferSource {
  return source instanceof ArrayBuffer || ArrayBuffer.isView(source);
}
