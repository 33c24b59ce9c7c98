// Plays quotes from a recording that the reader chooses on this computer. Without it the page reads the same.
(() => {
  const chooser = document.querySelector("[data-chooser]");
  if (!chooser) return;
  chooser.hidden = false;
  const player = document.querySelector(".player");
  const audio = player.querySelector("audio");
  let end = Infinity;
  audio.addEventListener("timeupdate", () => {
    if (audio.currentTime >= end) { audio.pause(); end = Infinity; }
  });
  const lead = 0.3; // seconds before the first word
  const buttons = () => {
    for (const time of document.querySelectorAll("span.t[data-start]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "t";
      button.textContent = "▶ " + time.textContent;
      button.setAttribute("aria-label", "Play from " + time.textContent);
      button.addEventListener("click", () => {
        audio.currentTime = Math.max(0, Number(time.dataset.start) - lead);
        end = time.dataset.end ? Number(time.dataset.end) + lead : Infinity;
        audio.play();
      });
      time.replaceWith(button);
    }
  };
  let url = "";
  chooser.querySelector("input").addEventListener("change", (event) => {
    const file = event.target.files[0];
    if (!file) return;
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(file);
    audio.src = url;
    player.hidden = false;
    buttons();
    chooser.querySelector("[role=status]").textContent = "Ready: the times in the page play.";
  });
  audio.addEventListener("error", () => {
    chooser.querySelector("[role=status]").textContent = "This browser cannot play that file.";
  });
})();
