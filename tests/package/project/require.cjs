const api = require("durable-sessions");

import("./use.js").then(({ use }) => console.log(JSON.stringify(use(api))));
