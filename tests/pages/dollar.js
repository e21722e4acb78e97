// Stands in for the few calls of jQuery that such pages made.
function $(what) {
  var all = typeof what === "string" ? Array.from(document.querySelectorAll(what)) : [what];
  return {
    load: function (act) {
      all[0].addEventListener("load", act);
    },
    each: function (act) {
      all.forEach(function (one) {
        act.call(one);
      });
    },
    data: function (key) {
      return all[0].dataset[key];
    },
    text: function (text) {
      all[0].textContent = text;
    },
    css: function (name, value) {
      all[0].style[name] = value;
    },
  };
}
