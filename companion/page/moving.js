// <unrolled-figure>: knobs choose one of the frames that Python computed. Where scripts do not run, and on paper, the
// figure stays as Python drew it.
(function () {
  "use strict";
  if (!window.customElements || customElements.get("unrolled-figure")) { return; }

  const BLUE = "#0072B2", VERMILLION = "#D55E00"; // of negative and of positive shares

  // a line leaves the pen up where a number is missing
  function path(x, y) {
    return y.map((value, k) => value === null ? "" :
      (k && y[k - 1] !== null ? "L" : "M") + x[k] + " " + value).join("");
  }

  customElements.define("unrolled-figure", class extends HTMLElement {
    connectedCallback() { // the parser may not have read the children yet
      if (this.querySelector("script")) { this.start(); } else { setTimeout(() => this.start(), 0); }
    }

    start() {
      const source = this.querySelector("script[type='application/json']");
      if (!source || this.data) { return; }
      this.data = JSON.parse(source.textContent);
      this.marks = this.querySelectorAll("[data-mark]");
      const knobs = this.querySelector(".knobs");
      this.inputs = this.data.knobs.map(knob => {
        const label = document.createElement("label"), name = document.createElement("span");
        const input = document.createElement("input"), shown = document.createElement("output");
        Object.assign(input, { type: "range", min: 0, max: knob.shown.length - 1, step: 1, value: knob.start });
        input.dataset.lmSuppressShortcuts = "true"; // in JupyterLab, arrow keys would go to another cell
        input.addEventListener("input", () => this.show());
        name.textContent = knob.label;
        label.append(name, input, shown);
        knobs.append(label);
        return input;
      });
      knobs.hidden = false;
      this.show();
    }

    show() {
      const at = this.inputs.map(input => Number(input.value));
      // the frame of what depends on some of the knobs, the last of them turning fastest
      const now = table => table.frames[table.over.reduce(
        (frame, knob) => frame * this.data.knobs[knob].shown.length + at[knob], 0)];
      this.data.knobs.forEach((knob, k) => {
        const shown = knob.shown[at[k]];
        this.inputs[k].nextElementSibling.textContent = shown;
        this.inputs[k].setAttribute("aria-valuetext", shown);
      });
      this.data.marks.forEach((mark, k) => {
        const element = this.marks[k];
        if (mark.y) { element.setAttribute("d", path(now(mark.x), now(mark.y))); }
        if (mark.text) { now(mark.text).forEach((text, n) => { element.children[n].textContent = text; }); }
        if (mark.share) {
          now(mark.share).forEach((share, n) => {
            element.children[n].setAttribute("opacity", Math.abs(share) / 100);
            element.children[n].setAttribute(mark.paint, share < 0 ? BLUE : VERMILLION);
          });
        }
      });
      this.querySelector(".told").textContent = now(this.data.told)[0];
    }
  });
})();
