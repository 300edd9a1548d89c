"""Every error that this package raises on purpose.

    IvmError                      exit 1
    ├── InstallError                     7   the base install does not work
    ├── InputError (ValueError)        a mistake in what was asked
    │   ├── InstructionError            10
    │   ├── ThresholdError              11
    │   ├── OptionError                 12
    │   ├── RecordError                 13   a record of a data set, or a line of a JSON Lines file
    │   └── ImageError                       a picture that cannot be used
    │       ├── ImageNotFoundError      20
    │       ├── ImageFormatError        21   not a picture
    │       ├── ImageTruncatedError     22
    │       ├── ImageEmptyError         23   no byte, or no pixel
    │       ├── ImageTooLargeError      24
    │       ├── ImageAddressError       25   a web address that is none, or must not be fetched
    │       └── ImageDownloadError      26   nothing usable came from a web address
    ├── OutputError (OSError)           30   cannot be written there
    │   └── DiskFullError               31
    ├── ModelError
    │   ├── UnknownModelError           40
    │   ├── CheckpointError             41
    │   ├── MissingExtraError           42   (ImportError)
    │   ├── DeviceError                 43
    │   ├── FetchError                  44   weights are neither here nor to be had
    │   └── ModelMemoryError            45   it does not fit into the free memory
    ├── BatchError                      50   some pictures of a batch failed, the others are done
    ├── TrainingError                   60
    │   └── RecipeError                 61
    ├── DataError                       70
    │   ├── ShardError                  71   a shard is damaged
    │   ├── InvalidDataError            72   a data set holds broken records
    │   ├── LeakError                   73   pictures of an evaluation set are among those to train on
    │   └── DataFetchError              74   a data set is neither here nor to be had
    ├── LmmError                        80   a large multimodal model cannot be asked
    │   ├── LmmServerError              81   its server does not answer, or with errors only
    │   ├── LmmRefusedError             82   its server says no: the key, the model's name or the request
    │   ├── LmmAnswerError              83   its answer is not of the form asked for
    │   └── BudgetError                 84   the next question could cost more than is left
    └── ServingError                    90   a server cannot start or go on
        ├── EngineBusyError             91   as much is waiting as may wait, or the server is stopping
        ├── DeadlineError               92   the answer took longer than it may
        └── SessionGoneError            93   no picture session of that name, or not any more

Each message is one sentence that says what was wrong, where, and the remedy. `exit_code` is the status with which
the command line ends; 2 is a wrong use of the command itself, 130 an interruption (Ctrl-C). `docs` is where the
documentation tells more; docs/errors.md has a section for each branch of the tree.
"""

from __future__ import annotations

from typing import ClassVar


class IvmError(Exception):
    """Base of all errors of this package."""

    exit_code = 1
    docs: ClassVar[str | None] = "errors.md"
    """Page below docs/ and section of it that tell more; None where there is nothing to tell."""


class InstallError(IvmError):
    """The base install does not work on this machine; `ivm doctor` named what is broken."""

    exit_code = 7
    docs = "errors.md#ivm-doctor"


class InputError(IvmError, ValueError):
    """What was asked for cannot be done as asked."""

    exit_code = 3
    docs = "errors.md#what-was-asked"


class InstructionError(InputError):
    """An instruction is empty, too long or not text."""

    exit_code = 10


class ThresholdError(InputError):
    """A threshold is not a number in [0, 1]."""

    exit_code = 11


class OptionError(InputError):
    """An option has a value outside its range."""

    exit_code = 12


class RecordError(InputError):
    """A record of a data set, or a line of a JSON Lines file, is not what it must be."""

    exit_code = 13
    docs = "errors.md#data-sets"


class ImageError(InputError):
    """A picture cannot be used."""

    exit_code = 4
    docs = "errors.md#pictures"


class ImageNotFoundError(ImageError, FileNotFoundError):
    """No file at that path, or it cannot be read."""

    exit_code = 20


class ImageFormatError(ImageError):
    """The bytes or the array are not a picture."""

    exit_code = 21


class ImageTruncatedError(ImageError):
    """The picture ends before its last pixel."""

    exit_code = 22


class ImageEmptyError(ImageError):
    """The file holds no byte, or the picture no pixel."""

    exit_code = 23


class ImageTooLargeError(ImageError):
    """The picture has more pixels than the limit allows."""

    exit_code = 24


class ImageAddressError(ImageError):
    """A picture's web address is none, or leads to where pictures are not fetched from."""

    exit_code = 25


class ImageDownloadError(ImageError):
    """A picture's web address gave nothing, too slowly, or no success."""

    exit_code = 26


class OutputError(IvmError, OSError):
    """A result cannot be written."""

    exit_code = 30
    docs = "errors.md#writing"


class DiskFullError(OutputError):
    """No space is left where a result is to be written."""

    exit_code = 31


class ModelError(IvmError):
    """A model cannot be loaded or run."""

    exit_code = 5
    docs = "errors.md#models"


class UnknownModelError(ModelError):
    """No model of that name, and no file or folder either."""

    exit_code = 40


class CheckpointError(ModelError):
    """A checkpoint is damaged, unsafe or of another architecture."""

    exit_code = 41


class MissingExtraError(ModelError, ImportError):
    """A feature needs packages that are not installed; the message holds the `pip install` line."""

    exit_code = 42
    docs = "errors.md#packages"


class DeviceError(ModelError):
    """The device or dtype asked for is not to be had here."""

    exit_code = 43


class FetchError(ModelError):
    """Weights are not on this machine and cannot be downloaded, or arrived damaged."""

    exit_code = 44
    docs = "errors.md#downloads"


class ModelMemoryError(ModelError):
    """A model needs more memory than its device has free."""

    exit_code = 45


class BatchError(IvmError):
    """Some pictures of a batch failed; all the others are done and written."""

    exit_code = 50
    docs = "errors.md#many-at-once"


class TrainingError(IvmError):
    """A training run cannot go on."""

    exit_code = 60
    docs = "errors.md#training-and-recipes"


class RecipeError(TrainingError, ValueError):
    """A recipe holds an unknown key or an impossible value."""

    exit_code = 61


class DataError(IvmError):
    """A data set cannot be read, checked or made."""

    exit_code = 70
    docs = "errors.md#data-sets"


class ShardError(DataError):
    """A shard is damaged, or is no shard."""

    exit_code = 71


class InvalidDataError(DataError):
    """A data set holds broken records; each was named."""

    exit_code = 72


class LeakError(DataError):
    """Pictures of an evaluation set are among those to train on; each was named."""

    exit_code = 73


class DataFetchError(DataError):
    """A data set is not on this machine and cannot be downloaded, or arrived damaged."""

    exit_code = 74
    docs = "errors.md#downloads"


class LmmError(IvmError):
    """A large multimodal model cannot be asked."""

    exit_code = 80
    docs = "errors.md#large-multimodal-models"


class LmmServerError(LmmError):
    """Its server cannot be reached, or answered with errors until all retries were used up."""

    exit_code = 81


class LmmRefusedError(LmmError):
    """Its server refuses the request for good: the key, the model's name, or what was asked."""

    exit_code = 82


class LmmAnswerError(LmmError):
    """Its answer is not of the form asked for, even when asked again."""

    exit_code = 83


class BudgetError(LmmError):
    """The next question could cost more than is left of the budget; what was answered so far is kept."""

    exit_code = 84


class ServingError(IvmError):
    """A server cannot start, or cannot go on."""

    exit_code = 90
    docs = "errors.md#servers"


class EngineBusyError(ServingError):
    """As much work is waiting as may wait, or the server is stopping: ask again later."""

    exit_code = 91

    def __init__(self, message: str, *, retry_after: int = 1, stopping: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Whole seconds after which there may be room."""
        self.stopping = stopping
        """The server takes no more work at all."""


class DeadlineError(ServingError):
    """An answer took longer than it may."""

    exit_code = 92


class SessionGoneError(ServingError):
    """There is no picture session of that name, or not any more."""

    exit_code = 93
