// Says that there is no network when a page is opened without one. Keeps nothing: no page, no number, no name is ever in its hands.
"use strict";
const NOTICE = `<!doctype html><html lang="vi"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>IOC Watch</title></head><body><h1>Không có kết nối</h1><p>Không tới được bộ thu. Hãy kiểm tra mạng hoặc VPN rồi thử lại.</p>
<p><a href="">Thử lại</a></p><hr><h2 lang="en">No connection</h2><p lang="en">The collector cannot be reached. Check the network or the VPN, then try again.</p>
<p lang="en"><a href="">Try again</a></p></body></html>`;
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate" || event.request.method !== "GET") return;
  event.respondWith(fetch(event.request).catch(() =>
    new Response(NOTICE, { status: 503, headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" } })));
});
