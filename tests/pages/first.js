// As pages were written for the first pycaserver: a socket for each element, which sends nothing
// but the bare name of its PV, and shows what comes.
$(window).load(function () {
  $(".monitor").each(function () {
    var shown = $(this);
    var socket = new WebSocket("ws://localhost:8888/monitor");
    socket.onopen = function () {
      socket.send(shown.data("pv"));
    };
    socket.onmessage = function (event) {
      var message = JSON.parse(event.data);
      if (message.msg_type === "connection") shown.css("color", message.conn ? "black" : "red");
      if (message.msg_type === "monitor") shown.text(message.value);
    };
  });
});
