// A network: a TCP proxy that stands between a page and its server and fails as networks do.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Network {
  #server = createServer((client) => this.#join(client));
  #port;
  #pairs = new Set();
  #holdsNew = { up: false, down: false };

  /** Stands before `port` of this machine. */
  static async start(port) {
    const network = new Network();
    network.#port = port;
    network.#server.listen(0, "127.0.0.1");
    await once(network.#server, "listening");
    return network;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Ends every connection at once, as a network does that tells both ends. What was held is lost. */
  cut() {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /**
   * From now on no byte passes in a direction (`up`: to the server), and neither end learns of it.
   * Connections made later pass, unless `andNew`.
   */
  hold(directions, { andNew = false } = {}) {
    for (const direction of directions) {
      for (const pair of this.#pairs) pair[direction].pause();
      if (andNew) this.#holdsNew[direction] = true;
    }
  }

  /** Lets everything pass, first what was held. */
  release() {
    this.#holdsNew = { up: false, down: false };
    for (const { up, down } of this.#pairs) {
      up.resume();
      down.resume();
    }
  }

  async end() {
    this.#server.close();
    this.cut();
  }

  #join(client) {
    const server = connect(this.#port, "127.0.0.1");
    const pair = { client, server, up: new Lane(client, server), down: new Lane(server, client) };
    this.#pairs.add(pair);
    for (const direction of ["up", "down"]) if (this.#holdsNew[direction]) pair[direction].pause();
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#pairs.delete(pair);
        client.destroy();
        server.destroy();
      });
    }
  }
}

// One direction of a connection. What is held is kept in the kernel, and in order.
class Lane {
  #from;
  #held = false;

  constructor(from, to) {
    this.#from = from;
    from.on("data", (bytes) => {
      if (!to.write(bytes)) from.pause();
    });
    to.on("drain", () => {
      if (!this.#held) from.resume();
    });
    from.on("end", () => to.end());
  }

  pause() {
    this.#held = true;
    this.#from.pause();
  }

  resume() {
    this.#held = false;
    this.#from.resume();
  }
}
