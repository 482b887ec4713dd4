"""What people call the columns of their own files, in Korean and English: exact names, no guesses.

A word that could mean two columns, or a price in another unit (천원), is left out on purpose.
"""

from collections.abc import Mapping

_COMMON: Mapping[str, tuple[str, ...]] = {
    "code": ("코드", "품목코드", "관리번호", "sku", "item code", "product code", "id"),
    "vendor": ("공급기업", "공급기업 코드", "공급사", "vendor code", "seller"),
    "name_ko": ("국문명", "한글명", "이름", "명칭", "korean name"),
    "name_en": ("영문명", "영문 이름", "english name"),
    "summary_ko": ("요약", "국문 요약", "설명", "korean summary", "description ko"),
    "summary_en": ("영문 요약", "영문 설명", "english summary", "description en"),
    "state": ("상태", "게시 상태", "status"),
    "visibility": ("공개 범위", "공개"),
    "source_title": ("출처", "자료 출처", "출처명", "source"),
    "source_url": ("출처 주소", "자료 주소", "출처 링크", "url", "link", "링크"),
    "note": ("비고", "메모", "remarks", "notes"),
    "region": ("지역", "소재지"),
}

_MAKER: Mapping[str, tuple[str, ...]] = {
    "maker": ("제조사 영문", "제조사(영문)", "manufacturer", "brand", "maker name"),
    "maker_ko": ("제조사", "제조사명", "제조사 국문", "제조사(국문)", "메이커"),
    "maker_country": ("제조사 국가", "제조사 본국", "manufacturer country", "maker country"),
}

_OWN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "products": {
        **_MAKER,
        "code": ("제품코드", "상품코드"),
        "model": ("모델", "모델명", "형번", "형식", "model name", "model number", "part number", "part no"),
        "series": ("시리즈", "제품군"),
        "category": ("분류", "대분류"),
        "subcategory": ("세부 분류", "중분류", "소분류", "sub category"),
        "name_ko": ("제품명", "상품명", "품명", "product name ko"),
        "name_en": ("영문 제품명", "product name", "product name en"),
        "verification": ("자료 확인", "확인", "확인 표시"),
        "source_kind": ("출처 종류", "자료 종류"),
    },
    "package-models": {
        "code": ("패키지 코드", "package code"),
        "name_ko": ("패키지명",),
        "name_en": ("영문 패키지명", "package name"),
        "package_type": ("구축 유형", "패키지 유형", "type"),
        "level_from": ("현재 수준", "시작 수준", "level from"),
        "level_to": ("도달 수준", "목표 수준", "level to"),
        "industries": ("업종", "공정", "업종·공정", "industry"),
        "included_ko": ("포함", "포함 사항"),
        "included_en": ("included", "포함(영문)"),
        "excluded_ko": ("미포함", "제외 사항"),
        "excluded_en": ("excluded", "미포함(영문)"),
        "lead_time_days": ("납기(일)", "lead time (days)"),
        "warranty_months": ("보증(개월)", "보증기간(개월)", "warranty (months)"),
        "spare_parts_years": ("예비품 공급(년)", "spare parts (years)"),
        "components": ("구성품", "구성", "bom", "자재명세"),
    },
    "offers": {
        "code": ("공급 조건 코드", "offer code"),
        "product": ("제품", "제품코드", "product code"),
        "package_model": ("패키지", "패키지 모델", "패키지 코드", "package", "package code"),
        "package_version": ("패키지 판", "version"),
        "audience": ("공개 대상",),
        "invited": ("초대", "초대 기업", "invited companies"),
        "list_unit_price_krw": (
            "단가(원)", "정가(원)", "판매가(원)", "가격(원)", "단가(krw)", "unit price (krw)",
            "price (krw)", "list price (krw)",
        ),
        "tiers": ("수량별 단가", "구간 단가", "price tiers"),
        "capacity": ("공급 한도", "최대 수량", "max quantity"),
        "pack_size": ("묶음 단위", "포장 단위", "pack size"),
        "lead_time_days": ("납기(일)", "lead time (days)"),
        "valid_until": ("유효기한", "유효일", "valid until", "expiry date"),
        "is_illustrative": ("예시 가격",),
        "terms_ko": ("거래 조건", "조건"),
        "terms_en": ("거래 조건(영문)", "terms"),
    },
    "service-centers": {
        **_MAKER,
        "name_ko": ("거점명", "센터명"),
        "name_en": ("영문 거점명", "center name"),
        "roles": ("역할",),
        "as_of": ("기준일",),
        "country": ("국가", "국가 코드"),
        "city": ("도시(영문)",),
        "city_ko": ("도시",),
        "address": ("주소",),
        "phone": ("전화", "전화번호", "tel"),
        "latitude": ("위도", "lat"),
        "longitude": ("경도", "lon", "lng"),
        "time_zone": ("시간대", "timezone"),
        "serves": ("담당 제품(영문)",),
        "serves_ko": ("담당 제품",),
        "languages": ("언어", "응대 언어"),
        "verification": ("자료 확인",),
    },
    "demands": {
        "id": ("번호",),
        "factory": ("공장", "구매기업", "factory code"),
        "category": ("분류",),
        "subcategory": ("세부 분류",),
        "quantity_min": ("최소 수량", "min quantity"),
        "quantity_max": ("최대 수량", "max quantity"),
        "ceiling_unit_price_krw": ("단가 한도(원)", "희망 단가(원)", "unit price limit (krw)"),
        "needed_by": ("필요일", "희망 납기일"),
    },
    "vendors": {
        "code": ("기업 코드", "공급기업 코드", "vendor code"),
        "name_ko": ("기업명", "회사명", "상호"),
        "name_en": ("영문 기업명", "company name"),
        "business_number": ("사업자등록번호", "사업자번호", "business number"),
        "size": ("기업 규모", "규모"),
        "homepage": ("홈페이지", "누리집", "website"),
        "introduction_ko": ("소개", "기업 소개"),
        "introduction_en": ("영문 소개", "introduction"),
    },
}  # fmt: skip


def aliases_of(kind: str, column: str) -> tuple[str, ...]:
    """Other names of a column in files of this kind; what the kind says itself goes first."""
    own = _OWN.get(kind, {}).get(column, ())
    return (*own, *_COMMON.get(column, ()))
