"""Numbers in the addresses of routes: a few digits; with more, an address is none of ours."""

from starlette.convertors import IntegerConvertor, register_url_convertor

NUMBER = "number"


class _Number(IntegerConvertor):
    regex = "[0-9]{1,9}"  # Python refuses to read several thousand


register_url_convertor(NUMBER, _Number())
