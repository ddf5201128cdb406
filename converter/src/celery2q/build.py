"""Building the LibCST nodes of a sending, in the layout the call had."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from celery2q.send import APPLY_ORDER, Send

Args = list[cst.Arg]


def name_of(dotted: str) -> cst.BaseExpression:
    """An expression for a source text."""
    return cst.parse_expression(dotted)


def _has_comment(space: cst.BaseParenthesizableWhitespace) -> bool:
    return isinstance(space, cst.ParenthesizedWhitespace) and (
        space.first_line.comment is not None
        or any(line.comment is not None for line in space.empty_lines)
    )


def _broken(space: object) -> bool:
    return isinstance(space, cst.ParenthesizedWhitespace)


def _keyword(name: str, value: cst.BaseExpression, like: object = None) -> cst.Arg:
    none = cst.SimpleWhitespace("")
    comma = like if isinstance(like, cst.Comma) else cst.MaybeSentinel.DEFAULT
    return cst.Arg(
        value,
        keyword=cst.Name(name),
        comma=comma,
        equal=cst.AssignEqual(whitespace_before=none, whitespace_after=none),
    )


def arguments_of(call: cst.Call, apply: bool) -> tuple[Args, Args, dict[str, cst.BaseExpression]]:
    """Split a sending into positional arguments, keyword arguments and options.

    Args:
        call: `t.delay(…)` or `t.apply_async(…)`.
        apply: whether it is apply_async.
    """
    if not apply:
        positional = [arg for arg in call.args if arg.keyword is None and arg.star != "**"]
        keywords = [arg for arg in call.args if arg.keyword is not None or arg.star == "**"]
        return positional, keywords, {}
    options: dict[str, cst.BaseExpression] = {}
    for index, arg in enumerate(call.args):
        name = "**" if arg.star else APPLY_ORDER[min(index, len(APPLY_ORDER) - 1)]
        options[arg.keyword.value if arg.keyword else name] = arg.value
    args, kwargs = options.pop("args", None), options.pop("kwargs", None)
    return _from_sequence(args), _from_mapping(kwargs), options


def _is_none(node: cst.BaseExpression | None) -> bool:
    return node is None or (isinstance(node, cst.Name) and node.value == "None")


def _from_sequence(node: cst.BaseExpression | None) -> Args:
    if _is_none(node):
        return []
    if isinstance(node, cst.Tuple | cst.List):
        return [
            cst.Arg(
                element.value,
                star="*" if isinstance(element, cst.StarredElement) else "",
                comma=element.comma,
            )
            for element in node.elements
        ]
    return [cst.Arg(node, star="*")]


def _from_mapping(node: cst.BaseExpression | None) -> Args:
    if _is_none(node):
        return []
    if not isinstance(node, cst.Dict):
        return [cst.Arg(node, star="**")]
    found: Args = []
    for element in node.elements:
        if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString):
            key = element.key.evaluated_value
            found.append(_keyword(str(key), element.value, element.comma))
        elif isinstance(element, cst.StarredDictElement):
            found.append(cst.Arg(element.value, star="**", comma=element.comma))
    return found


def _own_lines() -> cst.ParenthesizedWhitespace:
    """A line break and one more indent."""
    return cst.ParenthesizedWhitespace(
        first_line=cst.TrailingWhitespace(newline=cst.Newline()),
        indent=True,
        last_line=cst.SimpleWhitespace("    "),
    )


def _layout(call: cst.Call, args: Sequence[cst.Arg], spread: bool) -> cst.Call:
    """Put arguments into a call: its own line breaks, the old end.

    Args:
        call: the old call, whose white space is kept.
        args: the new arguments.
        spread: whether a call without line breaks of its own gets some.
    """
    inner = call.whitespace_before_args
    end = call.args[-1] if call.args else None
    last_comma: cst.Comma | cst.MaybeSentinel = cst.MaybeSentinel.DEFAULT
    space: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace("")
    fresh = spread and not _broken(inner)
    if fresh:
        inner = _own_lines()
        last_comma = cst.Comma(
            whitespace_after=inner.with_changes(last_line=cst.SimpleWhitespace(""))
        )
    elif end is not None:
        last_comma, space = end.comma, end.whitespace_after_arg
    one_line = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    broken = cst.Comma(whitespace_after=inner) if _broken(inner) else one_line
    laid = []
    for index, arg in enumerate(args):
        if index == len(args) - 1:
            laid.append(arg.with_changes(comma=last_comma, whitespace_after_arg=space))
            continue
        comma = arg.comma if isinstance(arg.comma, cst.Comma) else broken
        after = comma.whitespace_after
        if not _has_comment(after):
            if fresh or index == 0 or _broken(after):
                comma = broken
            elif isinstance(after, cst.SimpleWhitespace) and not after.value:
                comma = one_line
        laid.append(arg.with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace("")))
    return call.with_changes(args=laid, whitespace_before_args=inner)


def _option_args(send: Send, options: dict[str, cst.BaseExpression]) -> Args:
    found = []
    for name in ("countdown", "eta"):
        value = options.get(name)
        falsy = isinstance(value, cst.Integer) and value.value == "0"
        if send.function == "enqueue" and not _is_none(value) and not falsy:
            found.append(_keyword(name, value))  # type: ignore[arg-type]
    if send.function == "enqueue" and not _is_none(options.get("task_id")):
        found.append(_keyword("task_name", options["task_id"]))
    found += [_keyword(name, name_of(value)) for name, value in send.options]
    return found + ([cst.Arg(options["**"], star="**")] if "**" in options else [])


def _as_tuple(args: Args) -> cst.BaseExpression:
    if len(args) == 1 and args[0].star == "*":
        return args[0].value
    elements = [
        cst.StarredElement(arg.value) if arg.star == "*" else cst.Element(arg.value) for arg in args
    ]
    if len(elements) == 1:
        bare = cst.Comma(whitespace_after=cst.SimpleWhitespace(""))
        elements[0] = elements[0].with_changes(comma=bare)
    return cst.Tuple(elements)


def _as_dict(args: Args, quotes: str) -> cst.BaseExpression:
    if len(args) == 1 and args[0].star == "**":
        return args[0].value
    elements: list[cst.BaseDictElement] = []
    for arg in args:
        if arg.keyword is None:
            elements.append(cst.StarredDictElement(arg.value))
        else:
            key = cst.SimpleString(f"{quotes}{arg.keyword.value}{quotes}")
            elements.append(cst.DictElement(key, arg.value))
    return cst.Dict(elements)


def sending(call: cst.Call, send: Send, apply: bool, width: int = 0) -> cst.Call:
    """The call that replaces `t.delay(…)` or `t.apply_async(…)`.

    Args:
        call: the old call.
        send: what it becomes.
        apply: whether it is apply_async.
        width: characters left on its line; 0 never breaks it.
    """
    positional, keywords, options = arguments_of(call, apply)
    first = cst.Arg(name_of(send.target))
    if send.function == "async_task":
        args = [first, *positional, *keywords, *_option_args(send, options)]
    else:
        quotes = send.target[0] if send.target[:1] in ("'", '"') else '"'
        args = [first]
        raw = _raw(call) if apply else {}
        if raw.get("args") is not None or positional:
            value = raw.get("args") if raw.get("args") is not None else _as_tuple(positional)
            args.append(_keyword("args", value))  # type: ignore[arg-type]
        if raw.get("kwargs") is not None or keywords:
            value = (
                raw.get("kwargs") if raw.get("kwargs") is not None else _as_dict(keywords, quotes)
            )
            args.append(_keyword("kwargs", value))  # type: ignore[arg-type]
        args += _option_args(send, options)
    spread = width > 0 and _too_wide(call, args, send, width)
    if send.on_commit:
        made = _layout(
            call.with_changes(func=cst.Name("partial")),
            [cst.Arg(cst.Name(send.alias or send.function)), *args],
            spread,
        )
        return cst.Call(name_of("transaction.on_commit"), [cst.Arg(made)])
    return _layout(call.with_changes(func=cst.Name(send.alias or send.function)), args, spread)


def _too_wide(call: cst.Call, args: Args, send: Send, width: int) -> bool:
    """Whether the new call does not fit on the line that the old one began."""
    if _broken(call.whitespace_before_args):
        return False
    empty = cst.Module([])
    old = empty.code_for_node(call)
    texts = [empty.code_for_node(arg.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for arg in args]
    new = sum(len(text) + 2 for text in texts) + len(send.function) + 36 * send.on_commit
    if "\n" in old:
        return len(args) > 1 and (new > width or any("\n" in text for text in texts))
    return new > max(width, len(old) + 40)


def _raw(call: cst.Call) -> dict[str, cst.BaseExpression]:
    """The expressions given as args= and kwargs=, untouched."""
    found = {}
    for index, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword else "" if arg.star else APPLY_ORDER[index]
        if name in ("args", "kwargs") and not _is_none(arg.value):
            found[name] = arg.value
    return found


def needed_imports(send: Send, home: str) -> tuple[tuple[str, str], ...]:
    """The imports that a sending needs.

    Args:
        send: the sending.
        home: the module that its function is imported from.
    """
    needs = [(home, f"{send.function} as {send.alias}" if send.alias else send.function)]
    if send.on_commit:
        needs += [("django.db", "transaction"), ("functools", "partial")]
    return tuple(needs)
