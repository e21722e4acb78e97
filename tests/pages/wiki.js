// What the pages of old were written from, to the letter, between the marks. Only the moment of
// sending and the name are the page's.
var logged = [];
console.log = function (what) {
  logged.push(what);
};

// {{{
var ws = new WebSocket("ws://localhost:8888/monitor");
// }}}

ws.onopen = function() {
  // {{{
var msg = JSON.stringify({ "action":"connect", "pv":"myPVName" });
ws.send(msg);
  // }}}
};

// {{{
ws.onmessage = function(event) {
  var msg = JSON.parse(event.data);
  //Do something with the message you received
  console.log(msg["msg_type"]);
}  
// }}}

var messages = [];
ws.addEventListener("message", function (event) {
  messages.push(event.data);
});
