export function compiled(): WebAssembly.Module {
  throw new Error("durable-sessions/slim: await loadAgent(source) before serve()");
}
