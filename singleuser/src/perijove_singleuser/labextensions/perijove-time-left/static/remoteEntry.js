// How long this server may run yet, in JupyterLab's top bar; a warning before its end, with a button that asks for more time.
//
// Written by hand as the container of a federated extension (https://webpack.js.org/concepts/module-federation/), so that there is nothing to
// build: `init` is given the modules that JupyterLab shares, `get` gives the plugin.
"use strict";

(() => {
  const NAME = "perijove-time-left";
  const SOON_S = 900;
  const LAST_S = 300;
  const ASK_AGAIN_MS = 60_000;
  const NOTHING_TO_SHOW_MS = 600_000;
  let shared = {};

  // Of the versions that are offered JupyterLab's own is the one that is loaded already.
  const module = async (name) => {
    const versions = Object.values(shared[name] || {});
    const found = versions.find((one) => one.loaded) || versions[0];
    if (!found) throw new Error(`${NAME}: JupyterLab shares no ${name}`);
    return (await found.get())();
  };

  const inWords = (seconds) => {
    const minutes = Math.round(seconds / 60);
    if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
    return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
  };

  async function activate(app) {
    const [{ Widget }, { Dialog, showDialog, showErrorMessage }, { ServerConnection }] = await Promise.all(
      ["@lumino/widgets", "@jupyterlab/apputils", "@jupyterlab/services"].map(module),
    );
    const settings = app.serviceManager.serverSettings;
    const url = `${settings.baseUrl}perijove/place`;

    const button = document.createElement("button");
    button.className = "jp-mod-styled";
    button.type = "button";
    button.style.cssText = "margin: 0 8px; padding: 0 8px; height: 22px; line-height: 22px; align-self: center;";
    const widget = new Widget();
    widget.id = NAME;
    widget.node.append(button);
    widget.hide();
    app.shell.add(widget, "top", { rank: 950 });

    // By this computer's own steady clock: its wall clock may be wrong.
    let endsAt = null;
    let extendableS = 0;
    let warned = { soon: false, last: false };
    let asking = false;
    const left = () => (endsAt - performance.now()) / 1000;

    const take = (told) => {
      const before = endsAt;
      endsAt = told.left_s === null ? null : performance.now() + told.left_s * 1000;
      extendableS = told.extendable_s;
      if (before !== null && endsAt !== null && endsAt - before > 60_000) warned = { soon: false, last: false };
      draw();
    };

    const ask = async (init) => {
      const answer = await ServerConnection.makeRequest(url, init, settings);
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.message || `The server answered ${answer.status}.`);
      return told;
    };

    const extend = async () => {
      const by_s = Math.min(extendableS, 3600);
      try {
        take(await ask({ method: "POST", body: JSON.stringify({ by_s }) }));
      } catch (error) {
        await showErrorMessage("There is no more time", error);
      }
    };

    const offer = async (urgent) => {
      if (asking) return;
      asking = true;
      const buttons = [Dialog.cancelButton({ label: "Close" })];
      if (extendableS >= 60) buttons.push(Dialog.okButton({ label: `Extend by ${inWords(Math.min(extendableS, 3600))}` }));
      const body = urgent
        ? "Save your work: what runs in notebooks and terminals ends with the server. Files that are saved stay."
        : "What runs in notebooks and terminals ends with the server. Files that are saved stay.";
      try {
        const answer = await showDialog({ title: `This server ends in ${inWords(left())}`, body, buttons, defaultButton: 0 });
        if (answer.button.accept) await extend();
      } finally {
        asking = false;
      }
    };
    button.addEventListener("click", () => offer(left() <= SOON_S));

    function draw() {
      if (endsAt === null) return void widget.hide();
      const seconds = left();
      button.textContent = seconds <= 0 ? "Its time is up" : `${inWords(seconds)} left`;
      button.title = "How long this server may run yet";
      button.classList.toggle("jp-mod-warn", seconds <= SOON_S);
      button.setAttribute("aria-live", seconds <= SOON_S && seconds > SOON_S - 60 ? "polite" : "off");
      widget.show();
      const due = seconds <= LAST_S ? "last" : seconds <= SOON_S ? "soon" : "";
      if (!due || warned[due] || seconds <= 0) return;
      warned = { soon: true, last: due === "last" };
      offer(true);
    }

    // A tab that nobody looks at asks nothing; it asks when somebody comes back.
    let timer;
    const look = async () => {
      clearTimeout(timer);
      let next = ASK_AGAIN_MS;
      try {
        const told = await ask({});
        take(told);
        if (told.left_s === null) next = NOTHING_TO_SHOW_MS;
      } catch {
        // the hub is away, and the server goes on without it
      }
      if (!document.hidden) timer = setTimeout(look, next);
    };
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (!document.hidden) timer = setTimeout(look, 1000);
    });
    setInterval(() => endsAt !== null && draw(), 5000);
    look();
  }

  const plugin = {
    id: `${NAME}:plugin`,
    description: "Shows how long this server may run yet.",
    autoStart: true,
    activate: (app) => {
      app.restored.then(() => activate(app)).catch((error) => console.error(`${NAME} shows nothing:`, error));
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
