"""How the columns of a roster are called, in the languages of learning platforms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

NAME, FIRST, LAST, ID, LOGIN, EMAIL, ALIAS, SECOND_ID = (
    "name",
    "first name",
    "last name",
    "id",
    "login",
    "email",
    "alias",
    "second id",
)
# Separated by "|". The first of several columns of a kind that stands here first counts.
HEADINGS = {
    NAME: "student|full name|student name|name|display name|vollständiger name|nom complet|"
    "nombre completo|nome completo|nombre|nome|nom|이름|성명|학생|학생명|학생이름|학생 이름|"
    "전체 이름|氏名|名前|フルネーム|姓名|学生姓名|學生姓名|名",
    FIRST: "first name|firstname|first|first name(s)|given name|given names|given name(s)|forename|"
    "vorname|vorname(n)|prénom|prénoms|prénom(s)|nombre(s)|nombres|primeiro nome",
    LAST: "last name|lastname|last|last name(s)|surname|family name|nachname|familienname|"
    "nom de famille|apellido|apellidos|apellido(s)|cognome|sobrenome|apelido|성|姓",
    ID: "sis user id|orgdefinedid|org defined id|student id|student number|student no|"
    "student no.|id number|idnumber|sid|matrikelnummer|matrikelnr|matrikelnr.|matrikel-nr.|"
    "matr.-nr.|matriculation number|id-nummer|numéro étudiant|numéro d'étudiant|n° étudiant|"
    "numéro d’identification|numéro d'identification|número de estudiante|número de id|"
    "número de identificación|matrícula|matricola|número de matrícula|학번|학생번호|학생 번호|"
    "id 번호|id번호|学籍番号|学生番号|idナンバー|学号|學號|id号|id",
    LOGIN: "sis login id|username|user name|login|login id|loginid|user id|userid|netid|net id|"
    "github|github username|benutzername|anmeldename|nom d'utilisateur|nom d’utilisateur|"
    "identifiant|usuario|nombre de usuario|nome utente|아이디|사용자명|사용자 이름|ログイン|"
    "ユーザ名|ユーザー名|用户名|用戶名",
    EMAIL: "email address|email|e-mail|e-mail address|mail|e-mail-adresse|emailadresse|"
    "e-mail adresse|adresse de courriel|adresse e-mail|adresse électronique|courriel|correo|"
    "correo electrónico|dirección de correo|dirección email|indirizzo email|이메일|이메일 주소|"
    "전자우편|메일|メール|メールアドレス|邮箱|电子邮件|电子邮件地址|電子郵件",
    ALIAS: "identifier|roster identifier",
}
ORDER = {kind: names.split("|") for kind, names in HEADINGS.items()}
CANVAS = {"sis user id", "sis login id"}  # beside them, "id" is Canvas's own


def columns_of(cells: Sequence[str]) -> dict[str, int]:
    """Return where each kind of column is in a line of headings; nothing if it is none."""
    headings = [_heading(cell) for cell in cells]
    found = {
        kind: headings.index(name)
        for kind, names in ORDER.items()
        if (name := next((name for name in names if name in headings), None))
    }
    if CANVAS & set(headings) and "id" in headings:
        found[ALIAS] = headings.index("id")
        if found[ID] == found[ALIAS]:
            del found[ID]
    elif "id" in headings and found[ID] != headings.index("id"):  # German worksheets of Moodle
        found[SECOND_ID] = headings.index("id")
    return found


def _heading(cell: str) -> str:
    cell = unicodedata.normalize("NFC", cell.lstrip("\ufeff")).casefold()
    cell = re.sub(r"\s*\|.*", "", cell)  # Blackboard: "Total [Total Pts: 10] |123"
    return " ".join(cell.replace("_", " ").strip(" #\"'*:").split())
