// The terminal's script (textual-serve) finds here where its dashboard is: beside this page, whatever stands
// between both. And the dashboard is told whether the page can be seen: it asks nothing of the database while not.
let dashboard = null;

window.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    dashboard = this;
    this.addEventListener("open", tellWhetherSeen);
    this.addEventListener("close", (event) => {
      document.getElementById("why").textContent = event.reason;
    });
  }
};

function tellWhetherSeen() {
  if (dashboard !== null && dashboard.readyState === WebSocket.OPEN) {
    dashboard.send(JSON.stringify(["seen", !document.hidden]));
  }
}

document.addEventListener("visibilitychange", tellWhetherSeen);
document.addEventListener("DOMContentLoaded", () => {
  const address = new URL("ws", window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.search = "";
  document.getElementById("terminal").dataset.sessionWebsocketUrl = address.href;
  document.getElementById("again").addEventListener("click", () => window.location.reload());
});
