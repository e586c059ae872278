//! How grave a message is, in every language that PostgreSQL's messages are translated into.

/// How grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The program, or a statement, failed.
    Error,
    /// Something is to be known.
    Warning,
    /// Information that nobody asked for: NOTICE and less.
    Notice,
    /// It does not say: progress, or a complaint of a program that has no word for it.
    Plain,
}

/// NOTICE and what is less, in every language of PostgreSQL's messages.
const NOTICES: &str = "NOTICE INFO LOG DEBUG HINWEIS NOTIFICA NOTIS LOGG ЗАМЕЧАНИЕ ИНФОРМАЦИЯ СООБЩЕНИЕ ОТЛАДКА \
    ПОВІДОМЛЕННЯ ІНФОРМАЦІЯ ЗАПИСУВАННЯ НАЛАГОДЖЕННЯ 注意 信息 日志 调试 알림 정보 로그 디버그 ინფორმაცია ჟურნალი \
    გამართვა";

/// ERROR and what is worse, in every language of PostgreSQL's messages.
const ERRORS: &str = "ERROR FATAL PANIC ERREUR ERRORE FATALE PANICO FEHLER PANIK FEL FATALT ОШИБКА ВАЖНО ПАНИКА \
    ПОМИЛКА ФАТАЛЬНО ПАНІКА 错误 致命错误 比致命错误还过分的错误 오류 치명적오류 손상 შეცდომა ფატალური პანიკა";

/// WARNING, in every language of PostgreSQL's messages. (Georgian has one word for it and NOTICE.)
const WARNINGS: &str =
    "WARNING WARNUNG ATTENTION ATTENZIONE VARNING ПРЕДУПРЕЖДЕНИЕ ПОПЕРЕДЖЕННЯ 警告 경고 გაფრთხილება";

/// Takes `ERROR:  …` apart.
pub fn severity(line: &str) -> Option<(&str, &str)> {
    let (severity, text) = line.split_once(":  ")?;
    let is_word = !severity.is_empty() && severity.chars().all(char::is_alphabetic);
    (is_word && (known(severity).is_some() || sqlstate(text).is_some())).then_some((severity, text))
}

/// Takes off the SQLSTATE that psql's verbose messages have before the text.
pub fn sqlstate(text: &str) -> Option<(&str, &str)> {
    let (code, text) = text.split_at_checked(5)?;
    let is_code = code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    Some((code, text.strip_prefix(": ")?)).filter(|_| is_code)
}

fn known(severity: &str) -> Option<Level> {
    let all = [(ERRORS, Level::Error), (WARNINGS, Level::Warning), (NOTICES, Level::Notice)];
    all.iter().find(|(words, _)| words.split(' ').any(|word| word == severity)).map(|(_, level)| *level)
}

/// How grave a message of the server's is: by its severity, else by its SQLSTATE.
pub fn of_server(severity: &str, sqlstate: Option<&str>) -> Level {
    known(severity).unwrap_or(match sqlstate.and_then(|code| code.get(..2)) {
        Some("00") => Level::Notice,
        Some("01" | "02") | None => Level::Warning,
        Some(_) => Level::Error,
    })
}
