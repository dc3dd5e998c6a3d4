// What is wider than its place scrolls inside itself; a keyboard must be able to reach it. Sizes change with the window,
// with fonts and when MathJax has typeset the page.
(function () {
  "use strict";
  var scrolls = "div.math, pre, .pst-scrollable-table-container, .cell_output .output";

  function update() {
    document.querySelectorAll(scrolls).forEach(function (element) {
      if (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight) {
        element.setAttribute("tabindex", "0");
      } else if (element.getAttribute("tabindex") === "0") {
        element.removeAttribute("tabindex");
      }
    });
  }

  function start() {
    update();
    new ResizeObserver(update).observe(document.body);
    if (window.MathJax && window.MathJax.startup && window.MathJax.startup.promise) {
      window.MathJax.startup.promise.then(update);
    }
  }

  if (document.readyState === "complete") { start(); } else { window.addEventListener("load", start); }
})();
