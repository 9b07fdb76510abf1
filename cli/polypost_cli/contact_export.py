"""Contacts to a CSV file, in runs that may be cut off at any moment and begun again."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from polypost.adapters.contacts_table import ContactsTable
from polypost.dialects.contacts.files import EXPORTED, encode_cells
from polypost_cli.file_progress import file_progress
from polypost_cli.retries import retried

# Entries of the feed that one read asks for.
_PAGE: Final = 500


def export_contacts(
    target: Path, space: str, stack: str, on_progress: Callable[[int], None], *, contacts: ContactsTable
) -> int:
    """Write every contact of a space to a CSV file, each once, in the order of their ids; how many there are.

    The file is there when all of it is; what stood there before stays until then.

    Parameters: stack, what tells the stack from every other; on_progress, called with the number of contacts that
    were read.

    Raises: FileInUse; Permanent, where the progress cannot be stored; Retryable, when the stack does not answer for a
    while. Calling again goes on from there.
    """
    with file_progress(target, {"task": "export", "space": space, "stack": stack}) as progress:
        on_progress(progress.lines)
        has_more = True
        while has_more:
            page = retried(partial(contacts.snapshot, space, progress.position, _PAGE))
            lines = ((contact.id, encode_cells(contact)) for contact in page.contacts)
            progress.step(page.position, lines, without=page.gone)
            on_progress(progress.lines)
            has_more = page.has_more
        progress.write(target, EXPORTED)
        return progress.lines
