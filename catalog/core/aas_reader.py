"""Asset Administration Shells in AASX packages, read tolerantly: by local names, whatever their generation. Pure.

Metamodels 1.0, 2.0, 3.0 and 3.1 (IDTA 01001), written as XML or JSON, differ in namespaces and wrappers, not in
what a property is. `lxml` is the extra `[aas]`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from catalog.core.cells import Wording
from catalog.core.zip_files import UnsafeZip, ZipLimits, open_zip, read_entry

Element: TypeAlias = Any  # lxml's elements, without lxml at import time

LIMITS = ZipLimits(entries_max=1_000, bytes_max=64 * 2**20, ratio_max=200)
DOCUMENT_BYTES_MAX = 16 * 2**20
DEPTH_MAX = 60

_NOT_A_SHELL = re.compile(r"(^|/)(\[Content_Types\]\.xml|docProps/.*|.*\.rels)$")
_DECLARES = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_ELEMENTS = frozenset(("property", "multilanguageproperty", "range"))


class AasProperty(Struct, frozen=True, kw_only=True):
    """One value: where it stands, what it means (semantic ids), and its texts by language ("" = no language)."""

    submodel: str
    path: tuple[str, ...]
    semantic_ids: tuple[str, ...] = ()
    texts: Mapping[str, str] = {}
    unit: str | None = None

    @property
    def id_short(self) -> str:
        return self.path[-1]

    def text(self, *languages: str) -> str:
        """The text in the first of these languages that there is, else any."""
        found = [self.texts[language] for language in (*languages, "") if self.texts.get(language)]
        return (found or [*self.texts.values(), ""])[0]


class Shell(Struct, frozen=True, kw_only=True):
    """One asset with the properties of its submodels."""

    id: str
    id_short: str
    properties: tuple[AasProperty, ...]


def read_shells(content: bytes) -> tuple[Shell, ...]:
    """Every shell of a package. Raises UnsafeZip for a file that is no package, or none that is opened."""
    archive = open_zip(content, LIMITS)
    shells: list[Shell] = []
    for name in archive.namelist():
        if name.endswith((".xml", ".json")) and not _NOT_A_SHELL.search(name):
            if archive.getinfo(name).file_size > DOCUMENT_BYTES_MAX:
                mebibytes = DOCUMENT_BYTES_MAX // 2**20
                raise UnsafeZip(
                    name, Wording(f"parts of at most {mebibytes} MiB", f"{mebibytes} MiB 이내의 구성 파일")
                )
            document = read_entry(archive, name)
            shells += _shells_of_json(document) if name.endswith(".json") else _shells_of_xml(document, name)
    return tuple(shells)


def _shells(
    shells: Iterable[tuple[str, str, frozenset[str]]], submodels: Mapping[str, tuple[AasProperty, ...]]
) -> list[Shell]:
    """Shells with the submodels that they refer to; all of them where a reference leads nowhere."""
    found = []
    for shell_id, id_short, referred in shells:
        own = [submodels[key] for key in submodels if key in referred] or list(submodels.values())
        found.append(Shell(id=shell_id, id_short=id_short, properties=tuple(p for s in own for p in s)))
    if not found and submodels:
        found.append(Shell(id="", id_short="", properties=tuple(p for s in submodels.values() for p in s)))
    return found


# -- XML -----------------------------------------------------------------------------------------------


def _shells_of_xml(document: bytes, name: str) -> list[Shell]:
    from lxml import etree  # noqa: PLC0415 - the extra [aas]

    # No shell declares a document type; entities are how XML eats memory and reads files.
    if _DECLARES.search(document.replace(b"\0", b"")):
        raise UnsafeZip(name, Wording("XML without DOCTYPE and ENTITY", "DOCTYPE과 ENTITY가 없는 XML"))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise UnsafeZip(f"{name}: {error.msg}", Wording("well-formed XML", "올바른 XML")) from None
    if root is None or _local(root) not in ("aasenv", "environment"):
        return []
    units = dict(_units_of_xml(root))
    submodels = {}
    for element in root.iter():
        if _local(element) == "submodel" and (identity := _id_of(element)):
            submodels[identity] = tuple(_properties_of_xml(element, units))
    shells = [
        (
            _id_of(element),
            _child_text(element, "idshort"),
            frozenset(
                text.strip()
                for key in element.iter()
                if _local(key) in ("key", "value") and (text := key.text)
            ),
        )
        for element in root.iter()
        if _local(element) == "assetadministrationshell"
    ]
    return _shells(shells, submodels)


def _local(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _child(element: Element, name: str) -> Element | None:
    return next((child for child in element if _local(child) == name), None)


def _child_text(element: Element, name: str) -> str:
    child = _child(element, name)
    return (child.text or "").strip() if child is not None else ""


def _id_of(element: Element) -> str:
    return _child_text(element, "id") or _child_text(element, "identification")


def _units_of_xml(root: Element) -> Iterator[tuple[str, str]]:
    for concept in root.iter():
        if _local(concept) == "conceptdescription":
            unit = next((e.text for e in concept.iter() if _local(e) == "unit" and e.text), None)
            if unit:
                yield _concept_key(_id_of(concept)), _plain_unit(unit)


def _properties_of_xml(submodel: Element, units: Mapping[str, str]) -> Iterator[AasProperty]:
    name = _child_text(submodel, "idshort")
    stack: list[tuple[Element, tuple[str, ...]]] = [(submodel, ())]
    while stack:
        element, path = stack.pop()
        local = _local(element)
        if local in _ELEMENTS:
            id_short = _child_text(element, "idshort")
            texts = _texts_of_xml(element, local)
            if id_short and any(texts.values()):
                semantic_ids = tuple(_semantic_ids_of_xml(element))
                own_unit = next((e.text for e in element.iter() if _local(e) == "unit" and e.text), None)
                unit = _plain_unit(own_unit) if own_unit else _unit_of(semantic_ids, units)
                yield AasProperty(
                    submodel=name, path=(*path, id_short), semantic_ids=semantic_ids, texts=texts, unit=unit
                )
            continue
        inner = path
        if local in ("submodelelementcollection", "submodelelementlist", "entity"):
            inner = (*path, _child_text(element, "idshort"))
        if len(inner) <= DEPTH_MAX:
            stack += [(child, inner) for child in reversed(element)]


def _semantic_ids_of_xml(element: Element) -> Iterator[str]:
    semantic = _child(element, "semanticid")
    for key in semantic.iter() if semantic is not None else ():
        if _local(key) in ("key", "value") and key.text and key.text.strip():
            yield key.text.strip()


def _texts_of_xml(element: Element, local: str) -> dict[str, str]:
    if local == "range":
        low, high = _child_text(element, "min"), _child_text(element, "max")
        return {"": f"{low}..{high}"} if low and high else {}
    value = _child(element, "value")
    if value is None:
        return {}
    if local == "property":
        return {"": (value.text or "").strip()}
    texts: dict[str, str] = {}
    for line in value.iter():
        language = line.get("lang") or _child_text(line, "language")
        text = _child_text(line, "text") or (line.text or "").strip()
        if language and text:
            texts.setdefault(_language(language), text)
    return texts


# -- JSON ----------------------------------------------------------------------------------------------


def _shells_of_json(document: bytes) -> list[Shell]:
    try:
        root = json.loads(document)
    except (ValueError, RecursionError):
        return []  # packages carry other JSON too
    if not isinstance(root, dict):
        return []
    units = {}
    for concept in _dicts(root.get("conceptDescriptions")):
        unit = next((d["unit"] for d in _walk(concept) if isinstance(d.get("unit"), str) and d["unit"]), None)
        if unit:
            units[_concept_key(_json_id(concept))] = _plain_unit(unit)
    submodels = {
        _json_id(submodel) or str(submodel.get("idShort")): tuple(_properties_of_json(submodel, units))
        for submodel in _dicts(root.get("submodels"))
    }
    shells = [
        (
            _json_id(shell),
            str(shell.get("idShort") or ""),
            frozenset(d["value"] for d in _walk(shell) if isinstance(d.get("value"), str)),
        )
        for shell in _dicts(root.get("assetAdministrationShells"))
    ]
    return _shells(shells, submodels)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside, outermost first."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack += reversed(item.values())
        elif isinstance(item, list):
            stack += reversed(item)


def _json_id(item: Mapping[str, Any]) -> str:
    old = item.get("identification")
    return str(item.get("id") or (old.get("id") if isinstance(old, dict) else old) or "")


def _properties_of_json(submodel: Mapping[str, Any], units: Mapping[str, str]) -> Iterator[AasProperty]:
    name = str(submodel.get("idShort") or "")
    stack: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        (item, ()) for item in reversed(_dicts(submodel.get("submodelElements")))
    ]
    while stack:
        item, path = stack.pop()
        kind = item.get("modelType")
        kind = str(kind.get("name") if isinstance(kind, dict) else kind).lower()
        id_short = str(item.get("idShort") or "")
        if kind in _ELEMENTS:
            texts = _texts_of_json(item, kind)
            if id_short and any(texts.values()):
                semantic_ids = tuple(
                    d["value"] for d in _walk(item.get("semanticId")) if isinstance(d.get("value"), str)
                )
                yield AasProperty(
                    submodel=name,
                    path=(*path, id_short),
                    semantic_ids=semantic_ids,
                    texts=texts,
                    unit=_unit_of(semantic_ids, units),
                )
        elif len(path) < DEPTH_MAX:
            inner = [*_dicts(item.get("value")), *_dicts(item.get("statements"))]
            stack += [(child, (*path, id_short)) for child in reversed(inner)]


def _texts_of_json(item: Mapping[str, Any], kind: str) -> dict[str, str]:
    if kind == "range":
        low, high = item.get("min"), item.get("max")
        return {"": f"{low}..{high}"} if low and high else {}
    value = item.get("value")
    if kind == "property":
        return {"": str(value).strip()} if isinstance(value, (str, int, float)) else {}
    lines = value.get("langString") if isinstance(value, dict) else value
    return {
        _language(str(line.get("language"))): str(line.get("text") or "").strip() for line in _dicts(lines)
    }


# -- both ----------------------------------------------------------------------------------------------


def _language(code: str) -> str:
    return re.split("[-_]", code.lower())[0]


def _concept_key(concept_id: str) -> str:
    """An identifier without its version: `0173-1#02-AAF040#004` and `…#005` mean the same property."""
    return re.sub(r"#\d{3}$", "", concept_id.strip())


def _unit_of(semantic_ids: Iterable[str], units: Mapping[str, str]) -> str | None:
    return next((units[key] for sid in semantic_ids if (key := _concept_key(sid)) in units), None)


def _plain_unit(unit: str) -> str:
    """`kg | 0173-1#05-AAA731#002` → `kg`."""
    return unit.partition("|")[0].strip()
