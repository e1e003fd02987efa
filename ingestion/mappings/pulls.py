"""How a source that is not a file is pulled into the landing folder: a database table or a paged HTTP interface.

Addresses and secrets are named by environment variable and never written down.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
DottedPath = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]


class _Pull(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(default=5, ge=1)
    wait_seconds: float = Field(default=1.0, ge=0)


class DatabasePull(_Pull):
    """A table, or a query, read in the order of its key.

    url_env    variable that holds the SQLAlchemy URL, time-outs included where the driver has them
    table      table or view, with its schema where needed ("his.patient")
    where      condition on the table; `:delivered_on` stands for the delivery date
    query      a select instead of a table; `:delivered_on` as above
    order_by   key columns; by default the table's primary key
    dated_by   column with the time a row was last written. The rows written since the last pull are taken, none twice; they are landed
               under the day of the latest, so that a delivery's date says how new its data are, not when somebody pulled
    format     how it is landed
    attempts, wait_seconds  the pull starts anew after a lost connection
    """

    kind: Literal["database"]
    url_env: EnvironmentName
    table: str | None = None
    where: str | None = None
    query: str | None = None
    order_by: tuple[str, ...] = ()
    dated_by: str | None = None
    format: Literal["parquet", "jsonl"] = "parquet"

    @model_validator(mode="after")
    def _one_origin(self) -> DatabasePull:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either a table or a query")
        if self.query and not self.order_by:
            raise ValueError("a query needs order_by, so that the same rows always come in the same order")
        if self.query and self.where:
            raise ValueError("put the condition into the query")
        return self


class PageNumbers(BaseModel):
    """Pages by number, until one is empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: Literal["page"]
    parameter: str = "page"
    first: int = 1


class Cursor(BaseModel):
    """Each page tells, at `next`, what to send as `parameter` to get the one after it; none means the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: Literal["cursor"]
    parameter: str = "cursor"
    next: DottedPath


class NextLink(BaseModel):
    """Each page tells the address of the one after it: at `next`, or in the HTTP Link header when `next` is not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: Literal["link"]
    next: DottedPath | None = None


class HttpPull(_Pull):
    """An interface that gives JSON pages; its records are landed as JSON lines, each as it was sent.

    url_env          variable that holds the address of the first page
    headers_env      header -> variable that holds its value (tokens)
    parameters       query parameters; `{delivered_on}` stands for the delivery date
    records          where a page holds its records ("data.items"); absent when the page itself is the list
    total            where a page says how many records there are in all; a pull that ends with another number fails
    paging           one page only when absent
    timeout_seconds  for connecting, and for each wait for data
    attempts, wait_seconds  tries per page, and the first wait between them, which doubles
    """

    kind: Literal["http"]
    url_env: EnvironmentName
    headers_env: dict[str, EnvironmentName] = {}
    parameters: dict[str, str] = {}
    records: DottedPath | None = None
    total: DottedPath | None = None
    paging: Annotated[PageNumbers | Cursor | NextLink, Field(discriminator="style")] | None = None
    timeout_seconds: float = Field(default=60.0, gt=0)
    page_limit: int = Field(default=100_000, ge=1)


Pull = Annotated[DatabasePull | HttpPull, Field(discriminator="kind")]
