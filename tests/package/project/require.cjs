const api = require("durable-sessions");

import("./use.js").then(({ use }) => use(api)).then((result) => console.log(JSON.stringify(result)));
