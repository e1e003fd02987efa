// Search over fields and code lists, and opening what a link leads to; without it the page is whole, only longer to read.
(function () {
  "use strict";
  var box = document.getElementById("q"), found = document.getElementById("found");
  var rows = Array.prototype.slice.call(document.querySelectorAll(".fields tbody tr"));
  var forms = Array.prototype.slice.call(document.querySelectorAll(".form"));
  var lists = Array.prototype.slice.call(document.querySelectorAll("details.list"));
  var families = Array.prototype.slice.call(document.querySelectorAll("h2.family"));
  function text(node) { return node._text || (node._text = (node.textContent + " " + (node.dataset.more || "")).toLowerCase()); }
  function hide(node, yes) { node.classList.toggle("hidden", yes); }
  function search() {
    var words = box.value.trim().toLowerCase().split(/\s+/).filter(Boolean), n = 0, m = 0;
    function has(node) { var t = text(node); return words.every(function (w) { return t.indexOf(w) >= 0; }); }
    forms.forEach(function (form) {
      var whole = words.length && has(form.querySelector("h3")), any = false;
      Array.prototype.forEach.call(form.querySelectorAll(".fields tbody tr"), function (row) {
        var shown = !words.length || whole || has(row);
        hide(row, !shown);
        if (shown) { any = true; n += 1; }
      });
      hide(form, !any);
      Array.prototype.forEach.call(form.querySelectorAll(".more"), function (d) { hide(d, words.length > 0); });
    });
    lists.forEach(function (list) { var shown = !words.length || has(list); hide(list, !shown); if (shown) m += 1; });
    families.forEach(function (h) {
      var next = h.nextElementSibling, any = false;
      while (next && !next.classList.contains("family")) {
        if (!next.classList.contains("hidden")) any = true;
        next = next.nextElementSibling;
      }
      hide(h, !any);
    });
    found.textContent = words.length ? n + " 个字段，" + m + " 个代码表" : "";
  }
  function open() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest(".hidden")) { box.value = ""; search(); }
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView();
  }
  var waiting;
  box.addEventListener("input", function () { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  window.addEventListener("hashchange", open);
  window.addEventListener("beforeprint", function () { Array.prototype.forEach.call(document.querySelectorAll("main details"), function (d) { d.open = true; }); });
  if (matchMedia("(max-width: 900px)").matches) Array.prototype.forEach.call(document.querySelectorAll("nav details"), function (d) { d.open = false; });
  open();
})();
