// No WebAssembly, no WebSocket, no fetch: a module that needs one of them to be imported fails here.
for (const name of ["WebAssembly", "WebSocket", "fetch", "BroadcastChannel"]) delete globalThis[name];
const { connect } = await import("durable-sessions");
console.log(JSON.stringify(typeof connect));
