// Copy buttons, fold buttons, and links to rounds that are folded. The page works without it.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Some browsers refuse in pages from a file. Then the text is selected instead.
      getSelection().selectAllChildren(source);
    }
  });
}

const rounds = document.querySelectorAll("details.round");
const fold = (open) => rounds.forEach((round) => { round.open = open; });
for (const button of document.querySelectorAll("[data-fold]")) {
  button.addEventListener("click", () => fold(button.dataset.fold === "open"));
}
addEventListener("beforeprint", () => fold(true));

const show = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.matches("details")) {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", show);
show();
