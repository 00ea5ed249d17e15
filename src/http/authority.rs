//! `/ca`: how phones come to trust the certificate of this server's own authority, for people who are not let in yet.

use super::error::{Answer, Problem, ProblemCode};
use super::query::{NoQuery, Query};
use super::tls;
use crate::app::App;
use crate::domain::secret::Digest;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use std::sync::Arc;

/// The certificate, as DER: what all of them read.
async fn certificate(app: &App) -> Answer<Vec<u8>> {
    let detail = "the settings name no certificate of an authority ([tls] ca)";
    let path = app.config.tls_ca.clone().ok_or_else(|| Problem::new(ProblemCode::NotFound, detail))?;
    let read = tokio::task::spawn_blocking(move || tls::certificate(&path)).await;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the certificate of the authority cannot be given out");
        Problem::new(ProblemCode::Internal, "the server could not answer; its log says why")
    };
    read.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

/// The certificate of the authority.
#[utoipa::path(get, path = "/ca.crt", tag = "access", params(NoQuery), responses((status = 200, content_type = "application/x-x509-ca-cert", body = [u8])))]
pub async fn file(State(app): State<Arc<App>>, _: Query<NoQuery>) -> Answer<Response> {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-x509-ca-cert")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"wangge-ca.crt\"")),
    ];
    Ok((headers, certificate(&app).await?).into_response())
}

/// How to install it on a phone, in Chinese.
#[utoipa::path(get, path = "/ca", tag = "access", params(NoQuery), responses((status = 200, content_type = "text/html", body = String)))]
pub async fn page(State(app): State<Arc<App>>, _: Query<NoQuery>) -> Answer<Response> {
    let hash = Digest::of(&certificate(&app).await?).to_string().to_uppercase();
    let pairs: Vec<String> = hash.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
    Ok(Html(PAGE.replace("{fingerprint}", &pairs.join(":"))).into_response())
}

const PAGE: &str = "<!doctype html><html lang=zh><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">\
<title>安装根证书</title><style>body{font:16px/1.7 system-ui,sans-serif;max-width:40em;margin:1.5em auto;padding:0 1em;color:#17212a;\
background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}\
.get{display:inline-block;padding:.6em 1.2em;border:1px solid #0b6e86;border-radius:.4em;color:#0b6e86;text-decoration:none}\
@media(prefers-color-scheme:dark){body{color:#e6ecf0;background:#10161c}.get{color:#6fc3cf;border-color:#6fc3cf}}</style>\
<h1>安装根证书</h1>\
<p>本系统使用单位自建的根证书。定位、离线使用和“添加到主屏幕”都要求安全连接（https），手机或电脑装好根证书后，浏览器才认这个连接。每台设备只装一次。\
<p><a class=get href=/ca.crt download>下载根证书 wangge-ca.crt</a>\
<p>安装前请核对指纹（SHA-256），应与管理员书面告知的一致；不一致请勿安装：<br><code>{fingerprint}</code>\
<h2>安卓</h2><ol><li>点上面的按钮下载。<li>打开 设置 › 安全（或 密码与安全、更多安全设置）› 加密与凭据 › 安装证书 › CA 证书，选“仍然安装”，再选下载的文件。\
<li>各品牌菜单不同，可在设置里搜索“证书”。系统会提示网络可能受监控，这是安装自建证书时的固定提示。<li>关闭浏览器后重新打开本系统。</ol>\
<h2>鸿蒙</h2><ol><li>下载文件。<li>HarmonyOS 4 及更早：设置 › 安全 › 更多安全设置 › 加密和凭据 › 从存储设备安装，选“CA 证书”。\
<li>HarmonyOS 5 及以后：设置 › 隐私和安全 › 高级 › 证书与凭据 › 从存储设备安装，选“CA 证书”。<li>重新打开浏览器。</ol>\
<h2>苹果 iPhone、iPad</h2><ol><li>用 Safari 打开本页并下载，选“允许”下载描述文件。<li>设置 › 通用 › VPN 与设备管理，点“已下载的描述文件”，安装。\
<li>设置 › 通用 › 关于本机 › 证书信任设置，打开这张证书的“完全信任”。少了这一步，连接仍不可信。</ol>\
<h2>Windows</h2><ol><li>双击下载的文件，点“安装证书”，存储位置选“当前用户”（给本机所有人用则选“本地计算机”）。\
<li>选“将所有的证书都放入下列存储”，浏览，选“受信任的根证书颁发机构”，完成。<li>关闭所有浏览器窗口后重新打开。火狐另需在 设置 › 隐私与安全 › 证书 里导入。</ol>\
<h2>不再需要时</h2><p>在安装的同一处删除。设备转交他人之前请删除。</html>";
