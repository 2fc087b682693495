"""The page that reviewers see: a labelling config where each decision is one key, and none is preselected."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ntk_labelqa.label_types.item_type import ItemType

DECISION, OTHER_LABEL, COMMENT, ITEM = "decision", "other_label", "comment", "item"
"""Names of the controls, and of the item they are about; decisions are read back by them."""

ACCEPT, KEEP, OTHER, UNSURE = "accept", "keep", "other", "unsure"
"""The decisions, as annotations hold them."""

MOST_BUTTONS = 30
"""Classes up to which each has a button of its own; of more, one is found by typing."""

# Letters, because digits are so often the names of classes.
_DECISIONS = (
    (ACCEPT, "Accept the suggestion", "a"),
    (KEEP, "Keep it as it is", "k"),
    (OTHER, "Another label", "o"),
    (UNSURE, "Not sure", "u"),
)
_COLUMN = "flex:1 1 50%; min-width:0; max-height:420px; overflow:auto"


def review_config(item: ItemType, class_names: Sequence[str]) -> str:
    """The labelling config of a review project, XML.

    The question stands above the item and its evidence, the decision below. Controls and decisions have the names of
    this module's constants. :data:`OTHER_LABEL` asks, only after :data:`OTHER`, for a class: it is a Choices, or a
    Taxonomy of one level where there are more than :data:`MOST_BUTTONS` classes.

    Args:
        item: what the items are.
        class_names: the label set; any text.
    """
    decisions = "\n    ".join(
        f'<Choice alias="{value}" value="{words}" hotkey="{key}"/>' for value, words, key in _DECISIONS
    )
    return f"""<View>
  <Header name="question" value="$question" size="4"/>
  <View style="display:flex; gap:24px; align-items:flex-start; margin-bottom:12px">
    <View style="{_COLUMN}">
      {item.review_tag}
    </View>
    <View style="{_COLUMN}">
      <HyperText name="evidence" value="$evidence" inline="true" clickableLinks="true"/>
    </View>
  </View>
  <Choices name="{DECISION}" toName="{ITEM}" choice="single" showInLine="true" required="true"
           requiredMessage="Choose one of the four decisions first.">
    {decisions}
  </Choices>
  <View visibleWhen="choice-selected" whenTagName="{DECISION}" whenChoiceValue="{OTHER}">
    <Header value="Which label is right?" size="5"/>
    {_class_choice(class_names)}
  </View>
  <TextArea name="{COMMENT}" toName="{ITEM}" placeholder="Comment (optional)" rows="1" maxSubmissions="1"
            editable="true"/>
  <Header value="Press the key of a decision, then Ctrl+Enter to submit it." size="6"/>
</View>
"""


def _class_choice(class_names: Sequence[str]) -> str:
    if len(class_names) <= MOST_BUTTONS:
        tag, layout = "Choices", 'choice="single" showInLine="true"'
    else:
        tag, layout = "Taxonomy", 'maxUsages="1" leafsOnly="true" minWidth="400px"'
    hotkey = ' hotkey="{}"' if _are_their_own_keys(class_names) else ""
    choices = "\n      ".join(f'<Choice value="{_attribute(name)}"{hotkey.format(name)}/>' for name in class_names)
    return f"""<{tag} name="{OTHER_LABEL}" toName="{ITEM}" {layout} required="true"
             requiredMessage="Choose the right label too.">
      {choices}
    </{tag}>"""


def _are_their_own_keys(class_names: Sequence[str]) -> bool:
    """Whether every class is a digit or a free letter: pressing 8 then chooses 8, and not the eighth class."""
    taken = {key for _value, _words, key in _DECISIONS}
    return all(len(name) == 1 and name.isascii() and name.isalnum() and name not in taken for name in class_names)


def _attribute(text: str) -> str:
    """*text* as the value of an XML attribute; line breaks would otherwise be read as spaces."""
    return escape(text).replace("\n", "&#10;").replace("\t", "&#9;").replace("\r", "&#13;")
