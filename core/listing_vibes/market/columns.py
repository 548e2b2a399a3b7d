"""Names of the columns of a market's three tables, in one place."""


class Columns:
    """Column names of the market folder (the data contract)."""

    LISTING = "listing_id"
    USER = "user_id"
    TIMESTAMP = "timestamp"
    POSITION = "position"
    ACTION = "action"
    DURATION = "duration_s"
    PATH = "path"
    URL = "url"
    PUBLISHED = "published_at"
    EXPIRES = "expires_at"
    DESCRIPTION = "description"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    PLACE = "place"


#: Degrees that a coordinate has at most.
MAX_COORDINATE = {Columns.LATITUDE: 90.0, Columns.LONGITUDE: 180.0}
