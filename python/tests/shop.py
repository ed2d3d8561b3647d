"""The doctypes that tests of documents use."""

from dontmanage.model import DocType, Field

customer = DocType(
    "Customer",
    [
        Field("email", unique=True),
        Field("phone", length=20, search_index=True),
        Field("status", "Select", options="New\nActive\nGone", default="New"),
        Field("notes", "Text"),
        Field("visits", "Int"),
        Field("weight", "Float"),
        Field("credit", "Currency"),
        Field("born", "Date"),
        Field("seen", "Datetime"),
        Field("wakes", "Time"),
        Field("vip", "Check"),
        Field("extra", "JSON"),
        Field("details", "Section Break"),
    ],
    autoname="prompt",
)
item = DocType("Item", [Field("what", reqd=True), Field("qty", "Int", default=1)], istable=True)
order = DocType(
    "Order",
    [
        Field("customer", "Link", options="Customer"),
        Field("party_type", "Link", options="DocType"),
        Field("party", "Dynamic Link", options="party_type"),
        Field("placed", "Date", default="Today"),
        Field("items", "Table", options="Item"),
        Field("gifts", "Table", options="Item"),
    ],
)
country = DocType("Country", [Field("code"), Field("title")], autoname="field:code")
settings = DocType(
    "System Settings",
    [
        Field("language", default="en"),
        Field("rate", "Currency"),
        Field("debug", "Check"),
        Field("customer", "Link", options="Customer"),
        Field("limits", "JSON"),
        Field("items", "Table", options="Item"),
    ],
    issingle=True,
)
