"""A vendor registers itself: one form, then the checklist."""

import re
from datetime import timedelta
from typing import Any, Final

from litestar import Response, get, post

from catalog.core.business_number import InvalidBusinessNumber, read_business_number
from catalog.errors import RegistrationRefused
from group_buy.transactions import transaction
from marketplace.accounts.registration import register
from marketplace.accounts.sessions import (
    SIGN_IN_ATTEMPTS_MAX,
    count_attempt,
    open_session,
    require_few_attempts,
)
from marketplace.deps import AnyRequest, Config, Pool
from marketplace.web.catalog_views import web_address
from marketplace.web.forms import Form, read_form
from marketplace.web.i18n import gettext
from marketplace.web.pages.sign_in import with_session
from marketplace.web.render import page_response, see_other

PASSWORD_LENGTH_MIN: Final = 10
LENGTH_MAX: Final = 200
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
REQUIRED: Final = ("name_ko", "business_number", "phone", "person_name", "email", "password")


def business_number_error(problem: InvalidBusinessNumber) -> str:
    """What is wrong with a business number, so that it can be mended."""
    if problem.reason == "letters":
        return gettext("숫자 10자리만 적어 주세요(예: 000-00-00000).")
    if problem.reason == "length":
        return gettext("10자리여야 하는데 %(count)s자리입니다.") % {"count": problem.digit_count}
    return gettext("검증번호가 맞지 않습니다. 한 자리가 틀렸거나 두 자리가 바뀌었을 수 있습니다.")


def check_registration(form: Form) -> dict[str, str]:
    """What is wrong with the form, by field."""
    errors = {name: gettext("적어 주세요.") for name in REQUIRED if not form.text(name)}
    errors |= {name: gettext("너무 깁니다.") for name in REQUIRED if len(form.text(name)) > LENGTH_MAX}
    if form.text("business_number"):
        try:
            read_business_number(form.text("business_number"))
        except InvalidBusinessNumber as problem:
            errors["business_number"] = business_number_error(problem)
    if form.text("email") and not _EMAIL.fullmatch(form.text("email")):
        errors["email"] = gettext("이메일 주소를 확인해 주세요.")
    if form.text("password") and len(form.text("password")) < PASSWORD_LENGTH_MIN:
        errors["password"] = gettext("10자 이상으로 정해 주세요.")
    if form.text("homepage") and web_address(form.text("homepage")) is None:
        errors["homepage"] = gettext("http:// 또는 https:// 로 시작하는 주소를 적어 주세요.")
    return errors


def _page(request: AnyRequest, form: Form | None, errors: dict[str, str]) -> Response[str]:
    values = {} if form is None else {n: v for n, v in form.texts.items() if n != "password"}
    return page_response(
        request, "register.html", status_code=400 if errors else 200, errors=errors, values=values
    )


@get("/register", opt={"audience": "anyone"}, include_in_schema=False)
async def register_page(request: AnyRequest) -> Response[str]:
    """Show the form."""
    return _page(request, None, {})


@post("/register", opt={"audience": "anyone"}, include_in_schema=False)
async def register_submit(request: AnyRequest, pool: Pool, config: Config) -> Response[Any]:
    """Enter a vendor, sign its first person in, and go to the checklist. Tries of one address are counted."""
    form = await read_form(request)
    host = request.client.host if request.client else ""
    async with transaction(pool) as conn:
        attempts = await count_attempt(conn, key=f"register:{host}", count_max=SIGN_IN_ATTEMPTS_MAX)
    require_few_attempts([attempts])
    errors = check_registration(form)
    if errors:
        return _page(request, form, errors)
    try:
        async with transaction(pool) as conn:
            made = await register(
                conn,
                name_ko=form.text("name_ko"),
                name_en=form.text("name_en"),
                business_number=read_business_number(form.text("business_number")),
                phone=form.optional("phone"),
                region=form.optional("region"),
                homepage=form.optional("homepage"),
                introduction_ko=form.optional("introduction_ko"),
                person_name=form.text("person_name"),
                email=form.text("email"),
                password=form.texts["password"],
            )
            token = await open_session(
                conn,
                person_id=made.person_id,
                organization_id=made.organization_id,
                lasts=timedelta(days=config.session_days),
            )
    except RegistrationRefused as refused:
        if refused.reason == "email_taken":
            return _page(
                request, form, {"email": gettext("이미 쓰이는 주소입니다. 로그인하거나 다른 주소를 쓰세요.")}
            )
        return _page(
            request,
            form,
            {"business_number": gettext("이미 등록된 번호입니다. 동료의 계정이나 사무국에 물어보세요.")},
        )
    return with_session(see_other("/vendor/onboarding", notice="registered"), token, config)


REGISTER_PAGES = [register_page, register_submit]
