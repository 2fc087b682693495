"""The page of a class warning: two columns of items, and decisions of one key each, none preselected."""

from __future__ import annotations

from ntk_labelqa.labelstudio.review.config import COMMENT, DECISION, ITEM

GUIDELINE, MERGE, RELABEL, FINE = "guideline", "merge", "relabel", "fine"
"""The decisions, as annotations hold them."""

_DECISIONS = (
    (GUIDELINE, "The guideline needs work", "g"),
    (MERGE, "Merge the two classes", "m"),
    (RELABEL, "Truly different: relabel the listed items", "r"),
    (FINE, "Fine as it is", "f"),
)
_COLUMN = "flex:1 1 50%; min-width:0; max-height:440px; overflow:auto"
_SIDES = ("class_a_html", "class_b_html")


def warning_config() -> str:
    """The labelling config of the project of class warnings, XML; the same whatever the classes and the items are."""
    columns = "\n    ".join(
        f'<View style="{_COLUMN}"><HyperText name="{side}" value="${side}" inline="true" clickableLinks="true"/></View>'
        for side in _SIDES
    )
    decisions = "\n    ".join(
        f'<Choice alias="{value}" value="{words}" hotkey="{key}"/>' for value, words, key in _DECISIONS
    )
    return f"""<View>
  <Header name="question" value="$question" size="4"/>
  <HyperText name="{ITEM}" value="$figure_html" inline="true"/>
  <View style="display:flex; gap:24px; align-items:flex-start; margin:8px 0 12px">
    {columns}
  </View>
  <Choices name="{DECISION}" toName="{ITEM}" choice="single" showInLine="true" required="true"
           requiredMessage="Choose one of the four decisions first.">
    {decisions}
  </Choices>
  <TextArea name="{COMMENT}" toName="{ITEM}" placeholder="Comment: what should the guideline say? (optional)" rows="1"
            maxSubmissions="1" editable="true"/>
  <Header value="Press the key of a decision, then Ctrl+Enter to submit it." size="6"/>
</View>
"""
