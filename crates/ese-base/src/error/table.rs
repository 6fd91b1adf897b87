//! The table of errors: kind, ESE's name and number, the sentence, and what to do. Documentation and, later, the C
//! header are made from it. Kinds are only added; numbers never change.

macro_rules! errors {
    ($($(#[$doc:meta])* $kind:ident = $number:literal, $name:literal, $sentence:literal, $advice:literal;)*) => {
        /// What a caller can act on; more kinds will come.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $(#[doc = concat!($sentence, " (`", $name, "`, ", stringify!($number), "). ", $advice)] $(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind there is, in the order of the table.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$kind,)*];

            /// ESE's number (`JET_ERR`).
            #[must_use]
            pub const fn jet_err(self) -> i32 {
                match self { $(ErrorKind::$kind => $number,)* }
            }

            /// ESE's name of the number.
            #[must_use]
            pub const fn jet_name(self) -> &'static str {
                match self { $(ErrorKind::$kind => $name,)* }
            }

            /// A few words for a person.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(ErrorKind::$kind => $sentence,)* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(ErrorKind::$kind => $advice,)* }
            }
        }
    };
}

errors! {
    WriteConflict = -1102, "JET_errWriteConflict", "write conflict",
        "Another transaction changed or holds the row: roll back to level 0 and run the transaction again.";
    KeyDuplicate = -1605, "JET_errKeyDuplicate", "key duplicate",
        "The row exists, or another transaction works on the key (see `is_concurrent`).";
    NoCurrentRecord = -1603, "JET_errNoCurrentRecord", "no such record",
        "The statement needs a row that this snapshot does not have.";
    InvalidBufferSize = -1047, "JET_errInvalidBufferSize", "value too short for the counter",
        "An escrow add needs the whole counter inside the value.";
    NotInTransaction = -1054, "JET_errNotInTransaction", "not in a transaction",
        "Begin a transaction first.";
    InTransaction = -1108, "JET_errInTransaction", "in a transaction",
        "End the session's transaction first.";
    TransTooDeep = -1103, "JET_errTransTooDeep", "transactions nested too deep",
        "Commit or roll back a level, or raise the limit of levels.";
    TransReadOnly = -1110, "JET_errTransReadOnly", "the transaction is read-only",
        "Begin a read-write transaction for updates.";
    VersionStoreFull = -1069, "JET_errVersionStoreOutOfMemory", "the version store is full",
        "End the transaction that the error names, split large transactions, or raise the budget.";
    OutOfSessions = -1101, "JET_errOutOfSessions", "too many sessions",
        "Drop sessions or raise the limit.";
    InstanceUnavailable = -1090, "JET_errInstanceUnavailable", "the instance is unavailable after a fatal error",
        "Close the instance and open it again; reads of what is intact go on until then.";
    NotInitialized = -1029, "JET_errNotInitialized", "the instance is closed",
        "Open an instance.";
    TermInProgress = -1000, "JET_errTermInProgress", "the instance is being closed",
        "Open an instance after the close has ended.";
    TooManyActiveUsers = -1059, "JET_errTooManyActiveUsers", "a transaction is still open",
        "End the transactions that the error names, then close again.";
    ObjectNotFound = -1305, "JET_errObjectNotFound", "no such tree",
        "Create the tree, or look at its name.";
    TreeDuplicate = -1303, "JET_errTableDuplicate", "a tree of that name exists",
        "Choose another name; another transaction may be creating it (see `is_concurrent`).";
    TreeInUse = -1304, "JET_errTableInUse", "the tree is in use",
        "Another open transaction wrote in the tree: drop it when that one has ended.";
    DatabaseDuplicate = -1201, "JET_errDatabaseDuplicate", "the database exists already",
        "Attach it, or choose another name.";
    DatabaseInUse = -1202, "JET_errDatabaseInUse", "the database is in use",
        "End the transactions that the error names, then detach again.";
    DatabaseNotFound = -1203, "JET_errDatabaseNotFound", "no such database",
        "Create or attach the database.";
    TooManyAttachedDatabases = -1805, "JET_errTooManyAttachedDatabases", "too many attached databases",
        "Detach one first.";
    DatabaseAttached = -1215, "JET_errDatabaseSharingViolation", "the database is attached already",
        "Use the attachment there is.";
    InvalidName = -1002, "JET_errInvalidName", "invalid name",
        "Names of trees have 1 to 64 bytes, those of databases to 512, and no control characters.";
    InvalidParameter = -1003, "JET_errInvalidParameter", "invalid parameter",
        "See the documentation of the call.";
    InvalidSettings = -1328, "JET_errInvalidSettings", "invalid settings",
        "Change the setting that the error names.";
    InvalidHandle = -1310, "JET_errInvalidTableId", "handle of another instance",
        "Handles belong to the instance that made them.";
    KeyTooLarge = -408, "JET_errKeyTooBig", "the key is too large",
        "Shorten the key: 1,000 bytes at 4 KiB pages, 2,000 from 8 KiB.";
    ValueTooLarge = -1026, "JET_errRecordTooBig", "the value is too large",
        "Split the value, or raise the version-store budget: a value may take a quarter of it.";
    InvalidValue = -1511, "JET_errInvalidColumnType", "the stored bytes are not a value of the expected type",
        "The tree holds values of another type or version.";
    DiskFull = -1808, "JET_errDiskFull", "the disk is full",
        "Free space; nothing was lost.";
    LogFull = -529, "JET_errLogDiskFull", "the log is full",
        "Free space for the database that the error names.";
    TransactionTooLong = -618, "JET_errTransactionTooLong", "the transaction is longer than the log may be",
        "Split the transaction.";
    LogWriteFailed = -510, "JET_errLogWriteFail", "a write to the log failed",
        "Whether the last commits survive is unknown: reopen the instance, whose recovery will tell.";
    LogCorrupted = -501, "JET_errLogFileCorrupt", "the log is corrupted",
        "Commits that were durable cannot be read: restore from a backup; the error names the place.";
    LogGap = -528, "JET_errMissingLogFile", "a part of the log is missing",
        "Put back the segment that the error names, or restore from a backup.";
    LogForeign = -530, "JET_errBadLogSignature", "the log is of another database",
        "Put the segments of each log back into the folder they came from.";
    LogVersion = -514, "JET_errBadLogVersion", "the log has a newer format",
        "Open it with the version of the library that wrote it, or a later one.";
    PageChecksum = -1018, "JET_errReadVerifyFailure", "a page failed its checksum",
        "The page is damaged; other pages can still be read.";
    DatabaseCorrupted = -1206, "JET_errDatabaseCorrupted", "the database is corrupted",
        "Restore it from a backup; the error names the place.";
    DatabaseDirtyShutdown = -550, "JET_errDatabaseDirtyShutdown", "the database was not closed, and its log is not here",
        "Open it with the log it was written under, or restore it from a backup.";
    AttachedDatabaseMismatch = -1216, "JET_errAttachedDatabaseMismatch", "an attached database is missing, or is another one",
        "Bring back the file that the error names.";
    WrongPage = -1118, "JET_errReadPgnoVerifyFailure", "another page lies in a page's place",
        "A write or a read went astray: the page is damaged; other pages can still be read.";
    LostWrite = -1119, "JET_errReadLostFlushVerifyFailure", "a write to a page was lost",
        "The disk said that it wrote the page and did not; other pages can still be read.";
    NotADatabase = -1028, "JET_errInvalidDatabase", "the file is no database",
        "Look at the path that the error names.";
    InvalidDatabaseVersion = -1209, "JET_errInvalidDatabaseVersion", "the database has a format that is not known",
        "Open it with the version of the library that made it, or a newer one.";
    PageSizeMismatch = -1213, "JET_errPageSizeMismatch", "the database has pages of another size",
        "Ask for the size that the error names, or for none.";
    DatabaseFileReadOnly = -1008, "JET_errDatabaseFileReadOnly", "the database was opened for reads only",
        "Open it for writes.";
    DiskIo = -1022, "JET_errDiskIO", "the disk failed",
        "See the cause; reopen the instance.";
    FileNotFound = -1811, "JET_errFileNotFound", "no such file",
        "Look at the path that the error names, or create the file.";
    FileExists = -1814, "JET_errFileAlreadyExists", "the file exists already",
        "Open it, or choose another name.";
    FileAccessDenied = -1032, "JET_errFileAccessDenied", "the file is not accessible",
        "Another instance or process holds it, or its permissions forbid it; the error says which.";
    InvalidPath = -1023, "JET_errInvalidPath", "the path is not usable",
        "The error says what is there instead of a file or a directory.";
    FileTooShort = -4001, "JET_errFileIOBeyondEOF", "the file ends too early",
        "It was cut off; restore it from a backup.";
    OutOfFileHandles = -1020, "JET_errOutOfFileHandles", "too many open files",
        "Close files or raise the limit of the process; the state is intact.";
    OutOfMemory = -1011, "JET_errOutOfMemory", "out of memory",
        "Free memory; the state is intact.";
}
