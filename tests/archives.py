"""Files that the tests make byte by byte: workbooks, administration shells, pictures, and bombs."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from catalog.core.xlsx_files import write_xlsx

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def a_zip(parts: Mapping[str, bytes | str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return written.getvalue()


def a_workbook(rows: str) -> bytes:
    """A workbook whose sheet holds this XML of rows."""
    with zipfile.ZipFile(io.BytesIO(write_xlsx(["code"], []))) as archive:
        parts: dict[str, bytes | str] = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    return a_zip(parts)


def a_lying_zip(content: bytes, name: str, *, size: int) -> bytes:
    """The archive with another unpacked size of one part in its table of contents."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        true_size = archive.getinfo(name).file_size
    start = content.index(b"PK\x01\x02")
    table = content[start:]
    entry = table.index(name.encode()) - 46
    at = start + entry + 24
    assert int.from_bytes(content[at : at + 4], "little") == true_size
    return content[:at] + size.to_bytes(4, "little") + content[at + 4 :]


def a_png(width: int = 3, height: int = 2) -> bytes:
    """A gray picture that says it has this size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 8))
        + chunk(b"IEND", b"")
    )


AAS_2_XML = """<?xml version="1.0"?>
<aas:aasenv xmlns:aas="http://www.admin-shell.io/aas/2/0">
 <aas:assetAdministrationShells><aas:assetAdministrationShell>
  <aas:idShort>Drive</aas:idShort><aas:identification idType="IRI">urn:shell:1</aas:identification>
  <aas:submodelRefs>
   <aas:submodelRef><aas:keys><aas:key type="Submodel">urn:sm:1</aas:key></aas:keys></aas:submodelRef></aas:submodelRefs>
 </aas:assetAdministrationShell></aas:assetAdministrationShells>
 <aas:submodels><aas:submodel><aas:idShort>Nameplate</aas:idShort>
  <aas:identification idType="IRI">urn:sm:1</aas:identification>
  <aas:submodelElements>
   <aas:submodelElement><aas:property><aas:idShort>X1</aas:idShort>
    <aas:semanticId><aas:keys>
     <aas:key type="GlobalReference" idType="IRDI">0173-1#02-AAO677#002</aas:key></aas:keys></aas:semanticId>
    <aas:value>Hanbit Drive Co., Ltd.</aas:value></aas:property></aas:submodelElement>
   <aas:submodelElement><aas:multiLanguageProperty><aas:idShort>ManufacturerProductDesignation</aas:idShort>
    <aas:value><aas:langString lang="ko-KR">서보 드라이브</aas:langString>
     <aas:langString lang="en">Servo drive</aas:langString></aas:value>
   </aas:multiLanguageProperty></aas:submodelElement>
   <aas:submodelElement><aas:submodelElementCollection><aas:idShort>Address</aas:idShort><aas:value>
     <aas:submodelElement><aas:property>
      <aas:idShort>CountryCode</aas:idShort><aas:value>kr</aas:value></aas:property></aas:submodelElement>
   </aas:value></aas:submodelElementCollection></aas:submodelElement>
   <aas:submodelElement><aas:property>
    <aas:idShort>ManufacturerPartNumber</aas:idShort>
    <aas:value>HD-750</aas:value></aas:property></aas:submodelElement>
   <aas:submodelElement><aas:property><aas:idShort>NetWeight</aas:idShort>
    <aas:semanticId><aas:keys><aas:key>0173-1#02-AAF040#004</aas:key></aas:keys></aas:semanticId>
    <aas:value>1.25</aas:value></aas:property></aas:submodelElement>
  </aas:submodelElements></aas:submodel></aas:submodels>
 <aas:conceptDescriptions><aas:conceptDescription>
  <aas:identification idType="IRDI">0173-1#02-AAF040#005</aas:identification>
  <aas:embeddedDataSpecification><aas:unit>kg | 0173-1#05-AAA731#002</aas:unit></aas:embeddedDataSpecification>
 </aas:conceptDescription></aas:conceptDescriptions>
</aas:aasenv>"""
